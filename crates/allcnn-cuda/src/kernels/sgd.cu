// Sums of gradients; stochastic gradient descent with momentum, for all parameters of a network in one launch.
//
// d = c g + weight_decay w; v = momentum v + d; w -= learning_rate (v, or d + momentum v with Nesterov), both times the parameter's
// factors. c shortens the gradient to clip_norm. A block does CHUNK values of one parameter.

#define CHUNK 4096
#define MAX_PARAMETERS 48

struct Parameter {
    float* value;
    Values gradient;
    float* velocity;
    unsigned short* copy; // of the value, in bf16; or null
    u64 len;
    float rate, decay; // factors on learning rate and weight decay
};

struct Parameters {
    Parameter list[MAX_PARAMETERS];
};

struct Sgd {
    float momentum, weight_decay;
    u32 nesterov;
};

/// to += from: four values a thread.
extern "C" __global__ void add(Values from, Values to, u64 len) {
    u64 at = thread_number() * 4;
    if (at >= len) return;
    Four sum = load_four(to, at, len);
    Four more = load_four(from, at, len);
    for (int i = 0; i < 4; ++i) sum.at[i] += more.at[i];
    store_four(to, at, len, sum);
}

/// The parameter of a chunk, and the chunk's number in it.
__device__ inline const Parameter* find(const Parameters& parameters, u32* chunk) {
    const Parameter* parameter = parameters.list;
    for (;; ++parameter) {
        u32 chunks = (u32)((parameter->len + CHUNK - 1) / CHUNK);
        if (*chunk < chunks) return parameter;
        *chunk -= chunks;
    }
}

/// sums[chunk] = the sum of the squares of its gradients.
extern "C" __global__ void sgd_squares(const __grid_constant__ Parameters parameters, double* sums) {
    __shared__ double shared[256];
    u32 chunk = blockIdx.x;
    const Parameter* parameter = find(parameters, &chunk);
    u64 begin = (u64)chunk * CHUNK;
    u64 end = begin + CHUNK < parameter->len ? begin + CHUNK : parameter->len;
    double sum = 0.0;
    for (u64 at = begin + threadIdx.x; at < end; at += blockDim.x) {
        double gradient = load(parameter->gradient, at);
        sum += gradient * gradient;
    }
    shared[threadIdx.x] = sum;
    for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    if (threadIdx.x == 0) sums[blockIdx.x] = shared[0];
}

/// scale = min(1, clip_norm / |g|); 1 for a gradient that is not finite, so that it shows. One thread.
extern "C" __global__ void sgd_scale(const double* sums, u32 count, float clip_norm, float* scale) {
    double sum = 0.0;
    for (u32 at = 0; at < count; ++at) sum += sums[at];
    double shortened = (double)clip_norm / sqrt(sum);
    *scale = shortened < 1.0 && isfinite(sum) ? (float)shortened : 1.0f;
}

/// The step; `scale` is null where no gradient is shortened.
extern "C" __global__ void sgd_step(const __grid_constant__ Parameters parameters, Sgd sgd, const float* scale,
                                    const Step* step) {
    u32 chunk = blockIdx.x;
    const Parameter* parameter = find(parameters, &chunk);
    u64 begin = (u64)chunk * CHUNK;
    u64 end = begin + CHUNK < parameter->len ? begin + CHUNK : parameter->len;
    float factor = scale ? *scale : 1.0f;
    float learning_rate = step->learning_rate * parameter->rate;
    float decay = sgd.weight_decay * parameter->decay;
    for (u64 at = begin + threadIdx.x; at < end; at += blockDim.x) {
        float weight = parameter->value[at];
        float d = factor * load(parameter->gradient, at) + decay * weight;
        float velocity = sgd.momentum * parameter->velocity[at] + d;
        parameter->velocity[at] = velocity;
        float moved = sgd.nesterov ? d + sgd.momentum * velocity : velocity;
        weight -= learning_rate * moved;
        parameter->value[at] = weight;
        if (parameter->copy) parameter->copy[at] = to_bf16(weight);
    }
}

/// Shortens a row of a parameter to a norm; a block does one row.
extern "C" __global__ void shorten_rows(float* value, unsigned short* copy, u64 len, float longest) {
    __shared__ double shared[256];
    u64 begin = (u64)blockIdx.x * len;
    double sum = 0.0;
    for (u64 at = begin + threadIdx.x; at < begin + len; at += blockDim.x) sum += (double)value[at] * value[at];
    shared[threadIdx.x] = sum;
    for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
    }
    __syncthreads();
    double factor = (double)longest / sqrt(shared[0]);
    if (!(factor < 1.0)) return;
    for (u64 at = begin + threadIdx.x; at < begin + len; at += blockDim.x) {
        value[at] *= (float)factor;
        if (copy) copy[at] = to_bf16(value[at]);
    }
}

/// A value of the mean of a group's rows and one more row of zeros: a thread each.
extern "C" __global__ void group_means(const float* value, const float* groups, u32 rows, float* means, u64 len, u64 values) {
    u64 at = thread_number();
    if (at >= values) return;
    u32 group = (u32)(at / len), members = 0;
    float sum = 0.0f;
    for (u32 row = 0; row < rows; ++row) {
        if ((u32)groups[row] != group) continue;
        sum += value[row * len + at % len];
        ++members;
    }
    means[at] = sum / (float)(members + 1);
}

/// gradient += strength * (value - the mean of its row's group): a thread each.
extern "C" __global__ void draw_to_means(const float* value, const float* groups, const float* means, Values gradient, float strength,
                                         u64 len, u64 values) {
    u64 at = thread_number();
    if (at >= values) return;
    float mean = means[(u64)groups[at / len] * len + at % len];
    store(gradient, at, load(gradient, at) + strength * (value[at] - mean));
}

// Stochastic gradient descent with momentum, for all parameters of a network in one launch.
//
// d = c g + weight_decay w; v = momentum v + d; w -= learning_rate (v, or d + momentum v with Nesterov). c shortens the
// gradient to clip_norm. A block does CHUNK values of one parameter.

#define CHUNK 4096
#define MAX_PARAMETERS 48

struct Parameter {
    float* value;
    Values gradient;
    float* velocity;
    unsigned short* copy; // of the value, in bf16; or null
    u64 len;
};

struct Parameters {
    Parameter list[MAX_PARAMETERS];
};

struct Sgd {
    float momentum, weight_decay;
    u32 nesterov;
};

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
    for (u64 at = begin + threadIdx.x; at < end; at += blockDim.x) {
        float weight = parameter->value[at];
        float d = factor * load(parameter->gradient, at) + sgd.weight_decay * weight;
        float velocity = sgd.momentum * parameter->velocity[at] + d;
        parameter->velocity[at] = velocity;
        float moved = sgd.nesterov ? d + sgd.momentum * velocity : velocity;
        weight -= step->learning_rate * moved;
        parameter->value[at] = weight;
        if (parameter->copy) parameter->copy[at] = to_bf16(weight);
    }
}

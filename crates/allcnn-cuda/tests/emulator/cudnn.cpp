// The part of cuDNN's graph API that the device uses, over the emulated GPU: descriptors that keep what they are given,
// and one engine that computes a graph of a convolution and pointwise operations as sums. It reads tensors by the
// dimensions, strides and types that their descriptors say, so it shows whether a graph and the pointers that go with it
// mean what they should. The engine is offered twice where ALLCNN_TEST_EMULATED is "two", not at all where it is "none",
// and not for plain 1x1 convolutions where it is "products". The numbers of attributes and kinds are those of cudnn_graph.h.

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <vector>

void emulator_enqueue(std::function<void()> work);

namespace {

struct Content;
using Shared = std::shared_ptr<Content>;
struct Content {
    int kind;
    std::map<int, std::vector<char>> values;
    std::map<int, std::vector<Shared>> others;

    template <class T>
    std::vector<T> list(int name) const {
        auto found = values.find(name);
        if (found == values.end()) return {};
        std::vector<T> list(found->second.size() / sizeof(T));
        memcpy(list.data(), found->second.data(), found->second.size());
        return list;
    }
    template <class T>
    T one(int name) const {
        return list<T>(name).at(0);
    }
    Shared other(int name) const { return others.at(name).at(0); }
};
/// What the caller holds: cuDNN copies descriptors that others refer to, so content is shared.
struct Holder {
    Shared content;
};

enum { SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000 };
enum { ENGINE = 2, CONFIGURATION = 3, HEURISTIC = 4, FORWARD = 10, BACKWARD_WEIGHTS = 11, BACKWARD_DATA = 12, POINTWISE = 13 };
constexpr int BYTES[] = {8, 4, 1, 8, 4, 8, 8, 4, 4, 4, 4, 4, 4, 4, 4, 8};  // of attribute types 0 to 15
constexpr int DESCRIPTOR = 15, WORKSPACE = 4096;

/// A tensor as dense numbers, image by image, row, column, channel (weights: filter by filter).
struct Tensor {
    int64_t uid, dimensions[4], strides[4];
    bool is_bf16, is_virtual;
    std::vector<float> dense;

    explicit Tensor(const Content& content) {
        uid = content.one<int64_t>(906);
        for (int at = 0; at < 4; ++at) {
            dimensions[at] = content.list<int64_t>(902).at(at);
            strides[at] = content.list<int64_t>(903).at(at);
        }
        is_bf16 = content.one<int>(901) == 9;
        is_virtual = content.one<char>(907);
        dense.resize(dimensions[0] * dimensions[1] * dimensions[2] * dimensions[3]);
    }
    int64_t n() const { return dimensions[0]; }
    int64_t c() const { return dimensions[1]; }
    int64_t h() const { return dimensions[2]; }
    int64_t w() const { return dimensions[3]; }
    float* pixel(int64_t n, int64_t h, int64_t w) { return &dense[((n * this->h() + h) * this->w() + w) * c()]; }

    template <class Each>
    void for_each(Each each) {
        int64_t at = 0;
        for (int64_t n = 0; n < dimensions[0]; ++n)
            for (int64_t h = 0; h < dimensions[2]; ++h)
                for (int64_t w = 0; w < dimensions[3]; ++w)
                    for (int64_t c = 0; c < dimensions[1]; ++c)
                        each(dense[at++], n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]);
    }
    void read(const void* memory) {
        for_each([&](float& value, int64_t index) {
            value = is_bf16 ? std::bit_cast<float>((uint32_t)((const uint16_t*)memory)[index] << 16)
                            : ((const float*)memory)[index];
        });
    }
    void write(void* memory) {
        for_each([&](float& value, int64_t index) {
            uint32_t bits = std::bit_cast<uint32_t>(value);
            if (is_bf16)
                ((uint16_t*)memory)[index] = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
            else
                ((float*)memory)[index] = value;
        });
    }
};

struct Run {
    std::map<int64_t, std::unique_ptr<Tensor>> tensors;
    std::map<int64_t, void*> memory;

    /// The tensor of a descriptor, with its values unless it is an output.
    Tensor& tensor(const Shared& content, bool is_output = false) {
        auto& tensor = tensors[content->one<int64_t>(906)];
        if (!tensor) {
            tensor = std::make_unique<Tensor>(*content);
            if (!is_output && !tensor->is_virtual) tensor->read(memory.at(tensor->uid));
        }
        return *tensor;
    }
    void finish(Tensor& output) {
        if (!output.is_virtual) output.write(memory.at(output.uid));
    }

    void convolution(const Content& operation, int x, int w, int y) {
        bool forward = operation.kind == FORWARD, data = operation.kind == BACKWARD_DATA;
        Tensor& input = tensor(operation.other(x), data);
        Tensor& weights = tensor(operation.other(w), operation.kind == BACKWARD_WEIGHTS);
        Tensor& output = tensor(operation.other(y), forward);
        Tensor& result = forward ? output : data ? input : weights;
        std::fill(result.dense.begin(), result.dense.end(), 0.0f);
        Shared settings = convolution_of(operation);
        int64_t stride = settings->list<int64_t>(103).at(0), padding = settings->list<int64_t>(105).at(0);
        int64_t group_in = weights.c(), groups = input.c() / group_in, group_out = weights.n() / groups;
        for (int64_t n = 0; n < output.n(); ++n)
            for (int64_t oy = 0; oy < output.h(); ++oy)
                for (int64_t ox = 0; ox < output.w(); ++ox)
                    for (int64_t ky = 0; ky < weights.h(); ++ky)
                        for (int64_t kx = 0; kx < weights.w(); ++kx) {
                            int64_t iy = oy * stride + ky - padding, ix = ox * stride + kx - padding;
                            if (iy < 0 || ix < 0 || iy >= input.h() || ix >= input.w()) continue;
                            float* above = output.pixel(n, oy, ox);
                            for (int64_t k = 0; k < weights.n(); ++k) {
                                float* below = input.pixel(n, iy, ix) + k / group_out * group_in;
                                float* weight = weights.pixel(k, ky, kx);
                                float sum = 0.0f, signal = above[k];
                                if (forward) {
                                    for (int64_t c = 0; c < group_in; ++c) sum += below[c] * weight[c];
                                    above[k] += sum;
                                } else if (data) {
                                    for (int64_t c = 0; c < group_in; ++c) below[c] += signal * weight[c];
                                } else {
                                    for (int64_t c = 0; c < group_in; ++c) weight[c] += signal * below[c];
                                }
                            }
                        }
        finish(result);
    }
    static Shared convolution_of(const Content& operation) {
        for (int name : {702, 708, 714})
            if (operation.others.count(name)) return operation.other(name);
        return nullptr;
    }

    void pointwise(const Content& operation) {
        int mode = operation.other(750)->one<int>(0);
        Tensor& x = tensor(operation.other(751));
        Tensor* b = operation.others.count(752) ? &tensor(operation.other(752)) : nullptr;
        Tensor& y = tensor(operation.other(753), true);
        for (size_t at = 0; at < x.dense.size(); ++at) {
            float value = x.dense[at];
            if (mode == 0) value += b->dense[at % b->dense.size()];  // one value a channel
            if (mode != 0) value = value > 0.0f ? value : 0.0f;
            y.dense[at] = value;
        }
        finish(y);
    }

    void operation(const Content& operation) {
        switch (operation.kind) {
            case FORWARD: return convolution(operation, 704, 703, 705);
            case BACKWARD_DATA: return convolution(operation, 710, 709, 711);
            case BACKWARD_WEIGHTS: return convolution(operation, 716, 715, 717);
            case POINTWISE: return pointwise(operation);
        }
    }
};

Shared content(void* descriptor) { return ((Holder*)descriptor)->content; }

/// Whether a graph is a convolution without stride, padding and groups by 1x1 kernels.
bool is_product(const Content& graph) {
    const Content& operation = *graph.others.at(801).at(0);
    Shared settings = Run::convolution_of(operation);
    bool forward = operation.kind == FORWARD, data = operation.kind == BACKWARD_DATA;
    Tensor weights(*operation.other(forward ? 703 : data ? 709 : 715));
    Tensor input(*operation.other(forward ? 704 : data ? 710 : 716));
    bool plain = settings->list<int64_t>(103).at(0) == 1 && settings->list<int64_t>(105).at(0) == 0;
    return plain && weights.h() == 1 && weights.w() == 1 && weights.c() == input.c();
}

}  // namespace

extern "C" {
size_t cudnnGetVersion() { return 90000; }
int cudnnCreate(void** handle) { return *handle = (void*)1, SUCCESS; }
int cudnnDestroy(void*) { return SUCCESS; }
int cudnnSetStream(void*, void*) { return SUCCESS; }
void cudnnGetLastErrorString(char* text, size_t) { *text = 0; }

int cudnnBackendCreateDescriptor(int kind, void** descriptor) {
    *descriptor = new Holder{std::make_shared<Content>(Content{kind, {}, {}})};
    return SUCCESS;
}
int cudnnBackendDestroyDescriptor(void* descriptor) { return delete (Holder*)descriptor, SUCCESS; }
int cudnnBackendSetAttribute(void* descriptor, int name, int type, int64_t count, const void* values) {
    if (type > DESCRIPTOR) return NOT_SUPPORTED;
    if (type == DESCRIPTOR)
        for (int64_t at = 0; at < count; ++at)
            content(descriptor)->others[name].push_back(content(((void* const*)values)[at]));
    else
        content(descriptor)->values[name].assign((const char*)values, (const char*)values + count * BYTES[type]);
    return SUCCESS;
}
int cudnnBackendFinalize(void* descriptor) {
    Content& heuristic = *content(descriptor);
    const char* engines = getenv("ALLCNN_TEST_EMULATED");
    if (engines && !strcmp(engines, "none")) return heuristic.kind == HEURISTIC ? NOT_SUPPORTED : SUCCESS;
    if (heuristic.kind == HEURISTIC && engines && !strcmp(engines, "products") && is_product(*heuristic.other(201)))
        return NOT_SUPPORTED;
    if (heuristic.kind == HEURISTIC && heuristic.one<int>(200) == 3) {
        auto engine = std::make_shared<Content>(Content{ENGINE, {}, {{1300, {heuristic.other(201)}}}});
        auto configuration = std::make_shared<Content>(Content{CONFIGURATION, {}, {{300, {engine}}}});
        heuristic.others[202] = {configuration};
        if (engines && !strcmp(engines, "two")) heuristic.others[202].push_back(configuration);
    }
    return SUCCESS;
}
int cudnnBackendGetAttribute(void* descriptor, int name, int type, int64_t most, int64_t* count, void* values) {
    *count = 0;
    if (type == DESCRIPTOR) {
        auto& found = content(descriptor)->others[name];
        for (size_t at = 0; at < found.size() && (int64_t)at < most; ++at, ++*count)
            ((Holder**)values)[at]->content = found[at];
    } else if (name == 402 || name == 1301) {
        *(int64_t*)values = name == 402 ? WORKSPACE : 0;
        *count = 1;
    }
    return SUCCESS;
}
int cudnnBackendExecute(void*, void* plan, void* pack) {
    std::map<int64_t, void*> memory;
    auto uids = content(pack)->list<int64_t>(1000);
    auto pointers = content(pack)->list<void*>(1001);
    for (size_t at = 0; at < uids.size(); ++at) {
        if ((uintptr_t)pointers.at(at) % 16) return BAD_PARAM;
        memory[uids[at]] = pointers[at];
    }
    // The workspace is written, so that one that overlaps a tensor shows.
    char* workspace = (char*)content(pack)->one<void*>(1003);
    Shared graph = content(plan)->other(401)->other(300)->other(1300);
    emulator_enqueue([=] {
        memset(workspace, 0xff, WORKSPACE);
        Run now;
        now.memory = memory;
        for (const Shared& operation : graph->others.at(801)) now.operation(*operation);
    });
    return SUCCESS;
}
}

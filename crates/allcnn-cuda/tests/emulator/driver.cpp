// A GPU in software, for tests on machines without one: the functions of the CUDA driver that the device uses, over
// ordinary memory, with the device's own kernels compiled for the host.
//
// A launch runs its threads one after the other, in another order each time, so that a result that depends on the order has
// other bits. The threads of kernels with barriers run as fibers. Misaligned access ends the program (build.sh). A stream
// does its work at once, unless it is being captured: then the work is kept, and launching the graph does it.

#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

// What the kernels' language has and C++ has not.
#define __device__
#define __global__
#define __shared__ static
#define __grid_constant__
struct Dim {
    unsigned x = 1, y = 1, z = 1;
};
static Dim blockIdx, threadIdx, blockDim, gridDim;
static void __syncthreads();
static float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
static unsigned __float_as_uint(float value) { return std::bit_cast<unsigned>(value); }
// Products and sums that no compiler may join; build.sh forbids it for all.
static float __fmul_rn(float a, float b) { return a * b; }
static float __fadd_rn(float a, float b) { return a + b; }
using std::isfinite;

#include "kernels.inc" // all files of SOURCES, written by build.sh

// The threads of a block as fibers.
struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(1 << 16);
    Dim thread;
    bool done = false;
};
static ucontext_t scheduler;
static Fiber* running = nullptr;
static const std::function<void()>* fiber_work = nullptr;

static void end_program(const char* why) {
    fprintf(stderr, "emulator: %s\n", why);
    abort();
}

static void __syncthreads() {
    if (!running) end_program("a kernel has a barrier that its first block did not reach");
    swapcontext(&running->context, &scheduler);
}

static void fiber_main() {
    (*fiber_work)();
    running->done = true;
    swapcontext(&running->context, &scheduler);
}

/// The numbers below `count` in an order that is hard to foresee.
class Order {
    unsigned count, start, stride;

  public:
    explicit Order(unsigned count) : count(count) {
        static std::minstd_rand random;
        start = random() % count;
        do stride = 1 + random() % count;
        while (std::gcd(stride, count) != 1);
    }
    unsigned operator[](unsigned at) const { return (start + uint64_t(at) * stride) % count; }
};

/// The index of thread `at` of a block.
static Dim thread_index(unsigned at) { return Dim{at % blockDim.x, at / blockDim.x, 0}; }

/// Runs the threads of a block to their ends, one after the other.
static void run_threads(const std::function<void()>& work) {
    unsigned count = blockDim.x * blockDim.y;
    Order order(count);
    for (unsigned at = 0; at < count; ++at) {
        threadIdx = thread_index(order[at]);
        work();
    }
}

/// Runs the threads of a block as fibers, from barrier to barrier. Says whether there was one.
static bool run_fibers(const std::function<void()>& work) {
    unsigned count = blockDim.x * blockDim.y;
    static std::vector<std::unique_ptr<Fiber>> fibers;
    while (fibers.size() < count) fibers.push_back(std::make_unique<Fiber>());
    fiber_work = &work;
    for (unsigned at = 0; at < count; ++at) {
        Fiber& fiber = *fibers[at];
        fiber.done = false;
        fiber.thread = thread_index(at);
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, fiber_main, 0);
    }
    // A round takes every thread from one barrier to the next.
    unsigned rounds = 0;
    for (unsigned waiting = count; waiting > 0; ++rounds) {
        Order order(count);
        unsigned done = 0;
        for (unsigned at = 0; at < count; ++at) {
            running = fibers[order[at]].get();
            threadIdx = running->thread;
            swapcontext(&scheduler, &running->context);
            done += running->done;
        }
        waiting = count - done;
        if (done > 0 && waiting > 0) end_program("some threads of a block ended while others wait for them");
    }
    running = nullptr;
    return rounds > 1;
}

using Work = std::function<void()>;
struct Function {
    std::function<Work(void**)> bind;    // copies the arguments, as a launch does
    std::optional<bool> has_barrier = {};  // known once its first block has run
};

template <class... A, size_t... I>
static Work bind_arguments(void (*kernel)(A...), void** pointers, std::index_sequence<I...>) {
    auto arguments = std::make_shared<std::tuple<std::remove_const_t<std::remove_reference_t<A>>...>>(
        *(std::remove_reference_t<A>*)pointers[I]...);
    return [kernel, arguments] { std::apply(kernel, *arguments); };
}

template <class... A>
static Function function(void (*kernel)(A...)) {
    return {[kernel](void** pointers) { return bind_arguments(kernel, pointers, std::index_sequence_for<A...>{}); }};
}

#define KERNEL(name) {#name, function(name)},
static std::map<std::string, Function> functions = {
#include "functions.inc" // KERNEL of each kernel in kernels.inc, written by build.sh
};

struct Graph {
    std::vector<Work> works;
};
static Graph* captured = nullptr;

/// Does work, or keeps it while the stream is being captured; the emulated cuDNN uses it too.
void emulator_enqueue(Work work) {
    if (captured)
        captured->works.push_back(std::move(work));
    else
        work();
}

typedef int Result;
enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_FOUND = 500, NOT_PERMITTED = 900 };

extern "C" {
Result cuInit(unsigned) { return SUCCESS; }
Result cuDeviceGetCount(int* count) { return *count = 1, SUCCESS; }
Result cuDeviceGet(int* device, int) { return *device = 0, SUCCESS; }
Result cuDeviceGetName(char* name, int len, int) { return snprintf(name, len, "emulated GPU"), SUCCESS; }
Result cuDeviceGetAttribute(int* value, int attribute, int) {
    *value = attribute == 75 ? 9 : 0;  // the major number of the compute capability; no memory pools
    return SUCCESS;
}
Result cuDevicePrimaryCtxRetain(void** context, int) { return *context = (void*)1, SUCCESS; }
Result cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
Result cuCtxGetCurrent(void** context) { return *context = (void*)1, SUCCESS; }
Result cuCtxSetCurrent(void*) { return SUCCESS; }
Result cuCtxSynchronize() { return SUCCESS; }
Result cuGetErrorName(int, const char** text) { return *text = "an error of the emulator", SUCCESS; }
Result cuGetErrorString(int, const char** text) { return *text = "an error of the emulator", SUCCESS; }
Result cuStreamCreate(void** stream, unsigned) { return *stream = (void*)1, SUCCESS; }
Result cuStreamDestroy_v2(void*) { return SUCCESS; }
Result cuStreamSynchronize(void*) { return captured ? NOT_PERMITTED : SUCCESS; }
Result cuMemAlloc_v2(uint64_t* address, size_t bytes) {
    if (captured) return NOT_PERMITTED;
    size_t whole = (bytes + 255) / 256 * 256;
    void* memory = bytes && whole < (size_t(1) << 40) ? aligned_alloc(256, whole) : nullptr;
    if (!memory) return OUT_OF_MEMORY;
    memset(memory, 0xff, whole);  // not a number until it is written
    return *address = (uint64_t)memory, SUCCESS;
}
Result cuMemGetInfo_v2(size_t* free, size_t* total) { return *free = 64 << 20, *total = 128 << 20, SUCCESS; }
Result cuMemFree_v2(uint64_t address) { return free((void*)address), SUCCESS; }
Result cuMemsetD8Async(uint64_t address, unsigned char value, size_t bytes, void*) {
    emulator_enqueue([=] { memset((void*)address, value, bytes); });
    return SUCCESS;
}
Result cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) {
    if (captured) return NOT_PERMITTED;  // the host's memory need not be there at a replay
    return memcpy((void*)to, from, bytes), SUCCESS;
}
Result cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) {
    if (captured) return NOT_PERMITTED;
    return memcpy(to, (void*)from, bytes), SUCCESS;
}
Result cuModuleLoadData(void** module, const void*) { return *module = (void*)1, SUCCESS; }
Result cuModuleUnload(void*) { return SUCCESS; }
Result cuModuleGetFunction(void** function, void*, const char* name) {
    auto found = functions.find(name);
    if (found == functions.end()) return NOT_FOUND;
    return *function = &found->second, SUCCESS;
}
Result cuLaunchKernel(void* handle, unsigned blocks_x, unsigned blocks_y, unsigned blocks_z, unsigned threads_x,
                      unsigned threads_y, unsigned threads_z, unsigned, void*, void** arguments, void**) {
    Function& function = *(Function*)handle;
    if (threads_x * threads_y * threads_z > 1024 || blocks_y > 65535 || blocks_z != 1) return NOT_PERMITTED;
    Work thread = function.bind(arguments);
    emulator_enqueue([=, &function] {
        blockDim = {threads_x, threads_y, threads_z};
        gridDim = {blocks_x, blocks_y, blocks_z};
        Order order(blocks_x * blocks_y);
        for (unsigned at = 0; at < blocks_x * blocks_y; ++at) {
            blockIdx = {order[at] % blocks_x, order[at] / blocks_x, 0};
            if (!function.has_barrier.value_or(true))
                run_threads(thread);
            else
                function.has_barrier = run_fibers(thread) || function.has_barrier.value_or(false);
        }
    });
    return SUCCESS;
}
Result cuStreamBeginCapture_v2(void*, int) { return captured = new Graph, SUCCESS; }
Result cuStreamEndCapture(void*, void** graph) {
    if (getenv("EMULATOR_VERBOSE")) fprintf(stderr, "emulator: a graph of %zu pieces of work\n", captured->works.size());
    *graph = captured;
    captured = nullptr;
    return SUCCESS;
}
Result cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
    return *executable = new Graph(*(Graph*)graph), SUCCESS;
}
Result cuGraphLaunch(void* graph, void*) {
    for (const Work& work : ((Graph*)graph)->works) work();
    return SUCCESS;
}
Result cuGraphExecDestroy(void* graph) { return delete (Graph*)graph, SUCCESS; }
Result cuGraphDestroy(void* graph) { return delete (Graph*)graph, SUCCESS; }
}

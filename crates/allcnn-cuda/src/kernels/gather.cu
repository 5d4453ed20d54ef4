// Batches of images that stay on the GPU.

struct ImageShape {
    u32 height, width, channels;
};

/// How an image is seen: mirrored, then moved.
struct View {
    u32 image, flip;
    int down, right; // not beyond the image's sides
};

/// batch[row] = the image of views[row] as that sees it; zeros where nothing comes into view and in the rows after
/// `count`. Images are `values` or, where that is null, `bytes` whose meaning is in a table for each channel.
extern "C" __global__ void gather(ImageShape shape, const float* values, const unsigned char* bytes, const float* table,
                                  const View* views, u32 count, Values batch, u64 len) {
    u64 at = thread_number();
    if (at >= len) return;
    u32 image_len = shape.height * shape.width * shape.channels;
    u64 row = at / image_len;
    u32 index = (u32)(at % image_len);
    float value = 0.0f;
    if (row < count) {
        View view = views[row];
        u32 channel = index % shape.channels;
        u32 pixel = index / shape.channels;
        int y = (int)(pixel / shape.width) - view.down;
        int x = (int)(pixel % shape.width) - view.right;
        if (y >= 0 && y < (int)shape.height && x >= 0 && x < (int)shape.width) {
            if (view.flip) x = (int)shape.width - 1 - x;
            u64 from = (u64)view.image * image_len + ((u64)y * shape.width + x) * shape.channels + channel;
            value = values ? values[from] : table[channel * 256 + bytes[from]];
        }
    }
    store(batch, at, value);
}

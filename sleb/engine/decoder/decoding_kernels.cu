// What a GPU does for one token a sequence beside attention, in few kernels: there each of libtorch's small ones takes
// longer to start than to run. decoding_kernels.cpp compiles this on the machine that runs it, by NVRTC, once for each
// type of element (SLEB_ELEMENT: 0 float, 1 half, 2 bfloat16), without any header.
//
// Everything is computed in float and rounded to the element's type where it is stored; rows begin at multiples of 16
// bytes and are whole numbers of 16 bytes long.

typedef long long Index;
typedef unsigned int Word;

#if SLEB_ELEMENT == 0
typedef float Element;
__device__ float wide(Element value) { return value; }
__device__ Element narrow(float value) { return value; }
#elif SLEB_ELEMENT == 1
struct Element { unsigned short bits; };
__device__ float wide(Element value) {
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
}
__device__ Element narrow(float value) {
  Element result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
}
#else
struct Element { unsigned short bits; };
__device__ float wide(Element value) { return __uint_as_float((Word)value.bits << 16); }
// To the nearest, of two equally near the even one; not a number stays so.
__device__ Element narrow(float value) {
  const Word bits = __float_as_uint(value);
  if (value != value) return {0x7fff};
  return {(unsigned short)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}
#endif

// 16 bytes: what a thread reads at once. As words, for a compiler that knows elements reads them one by one.
constexpr int pack_size = 16 / sizeof(Element);
struct __align__(16) Pack {
  Word words[4];
};

#if SLEB_ELEMENT == 0
__device__ float element(const Pack& pack, int i) { return __uint_as_float(pack.words[i]); }
__device__ void set_element(Pack& pack, int i, float value) { pack.words[i] = __float_as_uint(value); }
#else
__device__ float element(const Pack& pack, int i) {
  return wide({(unsigned short)(pack.words[i / 2] >> (i % 2 * 16))});
}
// In the order of i.
__device__ void set_element(Pack& pack, int i, float value) {
  const Word bits = narrow(value).bits;
  pack.words[i / 2] = i % 2 == 0 ? bits : pack.words[i / 2] | bits << 16;
}
#endif

// Past the first level of the cache: a weight is read once.
__device__ Pack read_once(const Pack* from) {
  Pack pack;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(pack.words[0]), "=r"(pack.words[1]), "=r"(pack.words[2]), "=r"(pack.words[3])
               : "l"(from));
  return pack;
}

__device__ float product(const Pack& a, const Pack& b, float sum) {
#pragma unroll
  for (int i = 0; i < pack_size; ++i) sum = fmaf(element(a, i), element(b, i), sum);
  return sum;
}

__device__ float sum_of_warp(float value) {
#pragma unroll
  for (int other = 16; other > 0; other /= 2) value += __shfl_xor_sync(0xffffffff, value, other);
  return value;
}

// The same in all threads, of which there are whole warps.
__device__ float sum_of_block(float value) {
  __shared__ float of_warps[32];
  value = sum_of_warp(value);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = value;
  __syncthreads();
  value = threadIdx.x % 32 < blockDim.x / 32 ? of_warps[threadIdx.x % 32] : 0;
  __syncthreads();
  return sum_of_warp(value);
}

// The activations of ModelSpec that a gated MLP may have here.
enum Activation { silu = 0, gelu = 1, gelu_tanh = 2 };

__device__ float activate(float x, int activation) {
  if (activation == silu) return x / (1 + expf(-x));
  if (activation == gelu) return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
  return 0.5f * x * (1 + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
}

// As libtorch's two kernels: the activated half is rounded before it is multiplied.
__device__ Element gated(float gate, float up, int activation) {
  return narrow(wide(narrow(activate(wide(narrow(gate)), activation))) * wide(narrow(up)));
}

__device__ float weight_at(const void* weight, int is_float, Index i) {
  if (weight == nullptr) return 1;
  return is_float ? ((const float*)weight)[i] : wide(((const Element*)weight)[i]);
}

// out[row] = in[row] / rms(in[row]) * weight: a row a block. in's rows lie `stride` elements apart.
extern "C" __global__ void norm_rows(Element* out, const Element* in, const void* weight, int weight_is_float,
                                     Index width, Index stride, float eps) {
  in += blockIdx.x * stride;
  out += blockIdx.x * width;
  const Index packs = width / pack_size;
  const bool has_packs_of_weight = weight != nullptr && !weight_is_float;
  // A thread's first pack and its weights, which are all of most rows, are on their way together.
  Pack first = {}, first_weight = {};
  if (threadIdx.x < packs) {
    first = ((const Pack*)in)[threadIdx.x];
    if (has_packs_of_weight) first_weight = ((const Pack*)weight)[threadIdx.x];
  }
  float squares = product(first, first, 0);
  for (Index i = threadIdx.x + blockDim.x; i < packs; i += blockDim.x) {
    const Pack pack = ((const Pack*)in)[i];
    squares = product(pack, pack, squares);
  }
  const float scale = rsqrtf(sum_of_block(squares) / width + eps);
  for (Index i = threadIdx.x; i < packs; i += blockDim.x) {
    const bool is_first = i == threadIdx.x;
    const Pack pack = is_first ? first : ((const Pack*)in)[i];
    Pack weights = first_weight, result;
    if (has_packs_of_weight && !is_first) weights = ((const Pack*)weight)[i];
#pragma unroll
    for (int j = 0; j < pack_size; ++j) {
      const float w = has_packs_of_weight ? element(weights, j) : weight_at(weight, weight_is_float, i * pack_size + j);
      set_element(result, j, element(pack, j) * scale * w);
    }
    ((Pack*)out)[i] = result;
  }
}

// out[row][i] = activation(in[row][i]) * in[row][inner + i], a pack a thread.
extern "C" __global__ void gate_rows(Element* out, const Element* in, Index rows, Index inner, int activation) {
  const Index packs = inner / pack_size;
  const Index i = blockIdx.x * (Index)blockDim.x + threadIdx.x;
  if (i >= rows * packs) return;
  const Pack* const row = (const Pack*)in + i / packs * 2 * packs;
  const Pack gates = row[i % packs], ups = row[packs + i % packs];
  Pack result;
#pragma unroll
  for (int j = 0; j < pack_size; ++j) set_element(result, j, wide(gated(element(gates, j), element(ups, j), activation)));
  ((Pack*)out)[i] = result;
}

// Of the heads [sequence][queries + 2 * kv_heads][head_dim] of one token a sequence: queries and keys normed (where there
// is a weight) and turned as rope.h says, queries to `queries`, keys and values into the cache's row of this token. A
// block is a head, a thread one dimension. The rows of cosines [head_dim], sines [turned_half] and growth [1], a factor of
// the queries or null, lie those strides apart from sequence to sequence: 0 where all stand at one position.
extern "C" __global__ void turn_and_keep(Element* queries, Element* keys, Element* values, const Element* heads,
                                         const Element* cosines, const Element* sines, const Element* growth,
                                         const void* query_weight, const void* key_weight, int weight_is_float, float eps,
                                         int num_queries, int num_kv_heads, int head_dim, int turned_half,
                                         Index cosine_stride, Index sine_stride, Index growth_stride,
                                         Index cache_sequence, Index cache_head) {
  extern __shared__ float turned[];
  const int head = blockIdx.x, sequence = blockIdx.y, i = threadIdx.x;
  const int all = num_queries + 2 * num_kv_heads;
  const bool is_inside = i < head_dim;  // threads are whole warps
  Element given = narrow(0);
  if (is_inside) given = heads[((Index)sequence * all + head) * head_dim + i];
  const bool is_query = head < num_queries;
  if (head >= num_queries + num_kv_heads) {
    if (is_inside) values[sequence * cache_sequence + (head - num_queries - num_kv_heads) * cache_head + i] = given;
    return;
  }
  float value = wide(given);
  const void* const weight = is_query ? query_weight : key_weight;
  if (weight != nullptr) {
    const float scale = rsqrtf(sum_of_block(value * value) / head_dim + eps);
    value = is_inside ? wide(narrow(value * scale * weight_at(weight, weight_is_float, i))) : 0;
  }
  turned[i] = value;
  __syncthreads();
  if (!is_inside) return;
  if (i < 2 * turned_half) {
    const float sine = wide(sines[sequence * sine_stride + i % turned_half]);
    const float other = i < turned_half ? -turned[i + turned_half] : turned[i - turned_half];
    value = value * wide(cosines[sequence * cosine_stride + i]) + other * sine;
  }
  Element result = narrow(value);
  if (!is_query) {
    keys[sequence * cache_sequence + (head - num_queries) * cache_head + i] = result;
    return;
  }
  if (growth != nullptr) result = narrow(wide(result) * wide(growth[sequence * growth_stride]));
  queries[((Index)sequence * num_queries + head) * head_dim + i] = result;
}

// products[j] = matrix[rows[j]] . row, by a block; in its first rows_of_block threads, thread j has product j. Every
// thread has a pack of each row on its way at once.
constexpr int rows_of_block = 4;

__device__ float products_of_block(const Element* matrix, const Index (&rows)[rows_of_block], const Element* row,
                                   Index width) {
  __shared__ float of_warps[32][rows_of_block];
  float sums[rows_of_block] = {};
  for (int i = threadIdx.x; i < width / pack_size; i += blockDim.x) {
    Pack read[rows_of_block];
#pragma unroll
    for (int j = 0; j < rows_of_block; ++j) read[j] = read_once((const Pack*)(matrix + rows[j] * width) + i);
    const Pack pack = ((const Pack*)row)[i];
#pragma unroll
    for (int j = 0; j < rows_of_block; ++j) sums[j] = product(read[j], pack, sums[j]);
  }
#pragma unroll
  for (int j = 0; j < rows_of_block; ++j) {
    const float sum = sum_of_warp(sums[j]);
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32][j] = sum;
  }
  __syncthreads();
  float sum = 0;
  if (threadIdx.x < rows_of_block) {
    for (int warp = 0; warp < blockDim.x / 32; ++warp) sum += of_warps[warp][threadIdx.x];
  }
  return sum;
}

// out[n] (+)= scale * (matrix[n] . row + bias[n]), rows_of_block of them a block; bias may be null.
extern "C" __global__ void __launch_bounds__(256)
    row_product(Element* out, const Element* matrix, const Element* row, const Element* bias, Index rows, Index width,
                float scale, int adds) {
  const Index first = blockIdx.x * (Index)rows_of_block;
  Index of_block[rows_of_block];
#pragma unroll
  for (int j = 0; j < rows_of_block; ++j) of_block[j] = first + j < rows ? first + j : rows - 1;
  float sum = products_of_block(matrix, of_block, row, width);
  const Index n = first + threadIdx.x;
  if (threadIdx.x >= rows_of_block || n >= rows) return;
  if (bias != nullptr) sum += wide(bias[n]);
  out[n] = narrow(adds ? wide(out[n]) + scale * sum : scale * sum);
}

// out[n] = activation(gate[n]) * up[n], where gate and up are the halves of such a product: half as many a block.
extern "C" __global__ void __launch_bounds__(256)
    gated_row_product(Element* out, const Element* matrix, const Element* row, const Element* bias, Index inner, Index width,
                      int activation) {
  constexpr int half = rows_of_block / 2;
  const Index first = blockIdx.x * (Index)half;
  Index of_block[rows_of_block];
#pragma unroll
  for (int j = 0; j < half; ++j) {
    of_block[j] = first + j < inner ? first + j : inner - 1;
    of_block[half + j] = inner + of_block[j];
  }
  float sum = products_of_block(matrix, of_block, row, width);
  const Index n = first + threadIdx.x % half;
  const bool is_mine = threadIdx.x < rows_of_block && n < inner;
  if (is_mine && bias != nullptr) sum += wide(bias[threadIdx.x < half ? n : inner + n]);
  if (threadIdx.x >= 32) return;
  const float up = __shfl_sync(0xffffffff, sum, threadIdx.x % half + half);
  if (is_mine && threadIdx.x < half) out[n] = gated(sum, up, activation);
}

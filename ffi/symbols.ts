/**
 * Every C symbol that is used, one table a library. `out(T)` is an out-parameter; "new" means that the caller owns what
 * comes back, "borrowed" that libtorch does, "consumed" that the callee takes an argument over. The words are those of
 * PyTorch's own headers `torch/csrc/stable/c/shim.h` and `torch/csrc/inductor/aoti_torch/c/shim.h`.
 */
const Handle = "pointer"; // AtenTensorHandle, StableListHandle, StringHandle
const Data = "pointer"; // plain memory
const Status = "i32"; // 0 = success, else the text is in torch_exception_get_what…
const Code = "i32"; // a dtype, layout or device type as its getter gives it
const out = <const T extends string>(_type: T) => "buffer" as const;

/** Symbols of `libtorch_cpu`. Optional ones came after libtorch 2.10, the floor. */
export const torchSymbols = {
  // Version: (major << 56) | (minor << 48) | (patch << 40)
  aoti_torch_abi_version: { parameters: [], result: "u64" },

  // Any operator: name, overload, one 8-byte slot an argument (consumed), version; results in slots 0, 1, …
  torch_call_dispatcher: { parameters: [Data, Data, "buffer", "u64"], result: Status },

  // Errors: borrowed text of this thread's last one
  torch_exception_get_what_without_backtrace: { parameters: [], result: Data, optional: true }, // 2.13

  // What an argument slot may hold: a list, a string (both new), the 8-byte box of an optional (new)
  torch_new_list_reserve_size: { parameters: ["usize", out("Handle")], result: Status },
  torch_list_push_back: { parameters: [Handle, "u64"], result: Status },
  torch_list_size: { parameters: [Handle, out("usize")], result: Status },
  torch_list_get_item: { parameters: [Handle, "usize", out("u64")], result: Status },
  torch_delete_list: { parameters: [Handle], result: Status },
  torch_new_string_handle: { parameters: ["buffer", "usize", out("Handle")], result: Status },
  torch_new_stable_ivalue: { parameters: [out("Data")], result: Status, optional: true }, // 2.13
  _Znwm: { parameters: ["usize"], result: Data }, // C++ operator new: the box of an optional before 2.13

  // Tensors: made (new), copied (new handle, same tensor), deleted
  aoti_torch_empty_strided: {
    parameters: ["i64", "buffer", "buffer", Code, Code, "i32", out("Handle")],
    result: Status,
  },
  // The same in memory that a GPU can read while the processor goes on
  aoti_torch_empty_strided_pinned: {
    parameters: ["i64", "buffer", "buffer", Code, Code, "i32", out("Handle")],
    result: Status,
    optional: true,
  },
  aoti_torch__reinterpret_tensor: {
    parameters: [Handle, "i64", "buffer", "buffer", "i64", out("Handle")],
    result: Status,
  },
  aoti_torch_new_tensor_handle: { parameters: [Handle, out("Handle")], result: Status },
  aoti_torch_delete_tensor_object: { parameters: [Handle], result: Status },
  aoti_torch_copy_: { parameters: [Handle, Handle, "i32"], result: Status }, // (self, source, non-blocking)
  aoti_torch_zero_: { parameters: [Handle], result: Status },
  aoti_torch_assign_tensors: { parameters: [Handle, Handle], result: Status },

  // Tensors: what they are
  aoti_torch_get_dim: { parameters: [Handle, out("i64")], result: Status },
  aoti_torch_get_sizes: { parameters: [Handle, out("Data")], result: Status }, // borrowed int64[dim]
  aoti_torch_get_strides: { parameters: [Handle, out("Data")], result: Status }, // borrowed int64[dim]
  aoti_torch_get_dtype: { parameters: [Handle, out("Code")], result: Status },
  aoti_torch_get_device_type: { parameters: [Handle, out("Code")], result: Status },
  aoti_torch_get_device_index: { parameters: [Handle, out("i32")], result: Status },
  aoti_torch_get_data_ptr: { parameters: [Handle, out("Data")], result: Status }, // borrowed
  aoti_torch_is_contiguous: { parameters: [Handle, out("bool")], result: Status },
  aoti_torch_is_defined: { parameters: [Handle, out("bool")], result: Status },

  // The one arithmetic operator with a Scalar that goes through autograd: self - alpha * other (new)
  aoti_torch_aten_subtract_Tensor: { parameters: [Handle, Handle, "f64", out("Handle")], result: Status },

  // oneDNN's linear maps with what follows them (new): x, weight, bias, operation, its numbers, their count, its algorithm
  aoti_torch_cpu__linear_pointwise: {
    parameters: [Handle, Handle, "buffer", "buffer", "buffer", "i64", "buffer", out("Handle")],
    result: Status,
    optional: true, // where libtorch is built with oneDNN
  },
  // x, other, weight, bias, operation
  aoti_torch_cpu__linear_pointwise_binary: {
    parameters: [Handle, Handle, Handle, "buffer", "buffer", out("Handle")],
    result: Status,
    optional: true,
  },

  // Autograd
  aoti_torch_grad_mode_is_enabled: { parameters: [], result: "bool" },
  aoti_torch_grad_mode_set_enabled: { parameters: ["bool"], result: "void" },
  torch_set_requires_grad: { parameters: [Handle, "bool"], result: Status },

  // Codes
  aoti_torch_dtype_float32: { parameters: [], result: Code },
  aoti_torch_dtype_float64: { parameters: [], result: Code },
  aoti_torch_dtype_bfloat16: { parameters: [], result: Code },
  aoti_torch_dtype_float16: { parameters: [], result: Code },
  aoti_torch_dtype_int64: { parameters: [], result: Code },
  aoti_torch_dtype_int32: { parameters: [], result: Code },
  aoti_torch_dtype_uint8: { parameters: [], result: Code },
  aoti_torch_dtype_bool: { parameters: [], result: Code },
  aoti_torch_device_type_cpu: { parameters: [], result: Code },
  aoti_torch_device_type_cuda: { parameters: [], result: Code },

  // C++ functions without a C entry: threads, the CPU generator, CUDA
  _ZN2at15set_num_threadsEi: { parameters: ["i32"], result: "void" }, // at::set_num_threads(int)
  _ZN2at15get_num_threadsEv: { parameters: [], result: "i32" }, // at::get_num_threads()
  _ZN2at6detail22getDefaultCPUGeneratorEv: { parameters: [], result: Data }, // borrowed at::Generator const&
  _ZN2at16CPUGeneratorImpl16set_current_seedEm: { parameters: [Data, "u64"], result: "void" },
  _ZN5torch4cuda12device_countEv: { parameters: [], result: "usize" }, // torch::cuda::device_count()
  _ZN5torch4cuda15manual_seed_allEm: { parameters: ["u64"], result: "void" },
  _ZN5torch4cuda11synchronizeEl: { parameters: ["i64"], result: "void" }, // torch::cuda::synchronize(device)

  // Whether a GPU's float32 products may round their factors to 10 bits (TF32): at::globalContext(), borrowed, and
  // at::Context::setAllowTF32CuBLAS(bool)
  _ZN2at13globalContextEv: { parameters: [], result: Data, optional: true },
  _ZN2at7Context18setAllowTF32CuBLASEb: { parameters: [Data, "bool"], result: "void", optional: true },

  // Observers of every operator: at::addGlobalCallback(RecordFunctionCallback), removeCallback, RecordFunction::name()
  _ZN2at17addGlobalCallbackENS_22RecordFunctionCallbackE: {
    // start, end, sampling probability, ten flags of scopes and three of what is recorded
    parameters: [{ struct: [Data, Data, "f64", "u64", "u64"] }],
    result: "u64",
    optional: true,
  },
  _ZN2at14removeCallbackEm: { parameters: ["u64"], result: "void", optional: true },
  _ZNK2at14RecordFunction4nameEv: { parameters: [Data], result: Data, optional: true }, // borrowed

  // The C library's copy, into memory of which JavaScript would have to make an ArrayBuffer first: to, from, bytes
  memcpy: { parameters: [Data, "buffer", "usize"], result: Data },

  // The C library's allocator, and of glibc's how much freed memory it keeps, and gives back now but for some bytes at its end
  malloc: { parameters: ["usize"], result: "usize" },
  free: { parameters: ["usize"], result: "void" },
  mallopt: { parameters: ["i32", "i32"], result: "i32", optional: true },
  malloc_trim: { parameters: ["usize"], result: "i32", optional: true },

  // The C library's word on mapped files: address (of a page), length, advice
  madvise: { parameters: [Data, "usize", "i32"], result: "i32", optional: true },
  getpagesize: { parameters: [], result: "i32", optional: true },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Symbols of a CUDA build's `libtorch_cuda`, and of the CUDA runtime that it brings (`cuda_runtime_api.h`; a status of 0 is
 * success there, too). All are looked up when a GPU is used, and what cannot be done without a missing one is not done:
 * `tests/ffi/cuda_symbols_test.ts` looks for them in PyTorch's CUDA wheels.
 */
export const cudaSymbols = {
  // The current device and stream; a stream is the CUDA runtime's own, and null its default one
  aoti_torch_create_cuda_guard: { parameters: ["i32", out("Handle")], result: Status, optional: true }, // new
  aoti_torch_delete_cuda_guard: { parameters: [Handle], result: Status, optional: true }, // consumed
  aoti_torch_get_current_cuda_stream: { parameters: ["i32", out("Data")], result: Status, optional: true },
  torch_get_cuda_stream_from_pool: {
    parameters: ["bool", "i32", out("Data")],
    result: Status,
    optional: true,
  },
  torch_set_current_cuda_stream: { parameters: [Data, "i32"], result: Status, optional: true },

  // at::cuda::graph_pool_handle(): a number in two words, by which graphs share their memory
  _ZN2at4cuda17graph_pool_handleEv: { parameters: [], result: { struct: ["u64", "u64"] }, optional: true },
  // at::cuda::CUDAGraph. These throw C++ exceptions where they fail, and such a one ends the process: what is known to make
  // them fail is asked of the CUDA runtime first
  _ZN2at4cuda9CUDAGraphC1Eb: { parameters: [Data, "bool"], result: "void", optional: true }, // CUDAGraph(keep_graph)
  _ZN2at4cuda9CUDAGraphD1Ev: { parameters: [Data], result: "void", optional: true }, // ~CUDAGraph()
  // capture_begin(MempoolId_t, cudaStreamCaptureMode): a std::pair of two words is passed as two words
  _ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode: {
    parameters: [Data, "u64", "u64", "i32"],
    result: "void",
    optional: true,
  },
  _ZN2at4cuda9CUDAGraph11capture_endEv: { parameters: [Data], result: "void", optional: true },
  _ZN2at4cuda9CUDAGraph6replayEv: { parameters: [Data], result: "void", optional: true },

  // The CUDA runtime: events, captures, memory
  cudaEventCreateWithFlags: { parameters: [out("Data"), "u32"], result: "i32", optional: true }, // new
  cudaEventRecord: { parameters: [Data, Data], result: "i32", optional: true }, // event, stream
  cudaEventQuery: { parameters: [Data], result: "i32", optional: true },
  cudaEventSynchronize: { parameters: [Data], result: "i32", optional: true },
  cudaEventDestroy: { parameters: [Data], result: "i32", optional: true }, // consumed
  cudaStreamWaitEvent: { parameters: [Data, Data, "u32"], result: "i32", optional: true }, // stream, event, 0
  cudaStreamIsCapturing: { parameters: [Data, out("i32")], result: "i32", optional: true },
  cudaStreamEndCapture: { parameters: [Data, out("Data")], result: "i32", optional: true },
  cudaMemGetInfo: { parameters: [out("usize"), out("usize")], result: "i32", optional: true }, // free, total
  cudaGetLastError: { parameters: [], result: "i32", optional: true }, // and forgets it
  cudaGetErrorString: { parameters: ["i32"], result: Data, optional: true }, // borrowed
} as const satisfies Deno.ForeignLibraryInterface;

/** Symbols of `libc10`. */
export const c10Symbols = {
  // c10::TensorImpl::mutable_grad(): borrowed at::Tensor*, to which a tensor can be assigned
  _ZN3c1010TensorImpl12mutable_gradEv: { parameters: [Data], result: Data },
} as const satisfies Deno.ForeignLibraryInterface;

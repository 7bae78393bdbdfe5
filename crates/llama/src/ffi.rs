//! llama.cpp's C interface, as much of it as is used: structs laid out as `llama.h` has them, and a
//! table of functions filled once when the library is opened.
//!
//! The layouts are those of llama.cpp 0.4 to 0.6, between whose headers they do not differ.
//! [`Functions::check`] compares the library's own default parameters with what these layouts must
//! read, so that another version is refused instead of misread. Booleans are `u8` and enums `i32`
//! here, because reading an unexpected value of a Rust `bool` or enum would be undefined.
#![expect(unsafe_code, reason = "looking symbols up in a C library is unsafe")]

use std::ffi::{CStr, c_char, c_void};

/// `struct llama_model`, only ever seen through a pointer.
#[repr(C)]
pub(crate) struct RawModel(());
/// `struct llama_context`.
#[repr(C)]
pub(crate) struct RawContext(());
/// `struct llama_vocab`.
#[repr(C)]
pub(crate) struct RawVocabulary(());
/// `struct llama_sampler`.
#[repr(C)]
pub(crate) struct RawSampler(());
/// `struct llama_memory_i`.
#[repr(C)]
pub(crate) struct RawMemory(());
/// `struct ggml_backend_device`.
#[repr(C)]
pub(crate) struct RawDevice(());

/// `struct llama_model_params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ModelParams {
    pub(crate) devices: *mut c_void,
    pub(crate) tensor_buffer_overrides: *const c_void,
    pub(crate) gpu_layers: i32,
    pub(crate) split_mode: i32,
    pub(crate) load_mode: i32,
    pub(crate) lazy_mode: i32,
    pub(crate) main_gpu: i32,
    pub(crate) tensor_split: *const f32,
    pub(crate) progress_callback: *mut c_void,
    pub(crate) progress_callback_data: *mut c_void,
    pub(crate) kv_overrides: *const c_void,
    pub(crate) vocab_only: u8,
    pub(crate) check_tensors: u8,
    pub(crate) use_extra_buffers: u8,
    pub(crate) no_host: u8,
    pub(crate) no_alloc: u8,
    pub(crate) load_mtp: u8,
}

/// `struct llama_context_params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ContextParams {
    pub(crate) context: u32,
    pub(crate) batch: u32,
    pub(crate) micro_batch: u32,
    pub(crate) sequences_max: u32,
    pub(crate) rollback_sequences: u32,
    pub(crate) outputs_max: u32,
    pub(crate) outputs_max_per_sequence: u32,
    pub(crate) threads: i32,
    pub(crate) threads_batch: i32,
    pub(crate) context_type: i32,
    pub(crate) rope_scaling_type: i32,
    pub(crate) pooling_type: i32,
    pub(crate) attention_type: i32,
    pub(crate) flash_attention: i32,
    pub(crate) rope_frequency_base: f32,
    pub(crate) rope_frequency_scale: f32,
    pub(crate) yarn_ext_factor: f32,
    pub(crate) yarn_attn_factor: f32,
    pub(crate) yarn_beta_fast: f32,
    pub(crate) yarn_beta_slow: f32,
    pub(crate) yarn_original_context: u32,
    pub(crate) defrag_threshold: f32,
    pub(crate) eval_callback: *mut c_void,
    pub(crate) eval_callback_data: *mut c_void,
    pub(crate) type_k: i32,
    pub(crate) type_v: i32,
    pub(crate) abort_callback: *mut c_void,
    pub(crate) abort_callback_data: *mut c_void,
    pub(crate) embeddings: u8,
    pub(crate) offload_kqv: u8,
    pub(crate) no_perf: u8,
    pub(crate) op_offload: u8,
    pub(crate) swa_full: u8,
    pub(crate) kv_unified: u8,
    pub(crate) samplers: *mut c_void,
    pub(crate) samplers_len: usize,
    pub(crate) other: *mut RawContext,
}

/// `struct llama_model_quantize_params`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct QuantizeParams {
    pub(crate) threads: i32,
    pub(crate) file_type: i32,
    pub(crate) output_type: i32,
    pub(crate) embedding_type: i32,
    pub(crate) allow_requantize: u8,
    pub(crate) quantize_output: u8,
    pub(crate) only_copy: u8,
    pub(crate) pure: u8,
    pub(crate) keep_split: u8,
    pub(crate) dry_run: u8,
    pub(crate) importance_matrix: *const c_void,
    pub(crate) kv_overrides: *const c_void,
    pub(crate) tensor_overrides: *const c_void,
    pub(crate) prune_layers: *const i32,
    pub(crate) buffer_bytes_max: usize,
}

/// `struct llama_batch`: parallel arrays, one entry a token.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct RawBatch {
    pub(crate) tokens_len: i32,
    pub(crate) token: *mut i32,
    pub(crate) embedding: *mut f32,
    pub(crate) position: *mut i32,
    pub(crate) sequences_len: *mut i32,
    pub(crate) sequences: *mut *mut i32,
    pub(crate) output: *mut i8,
}

/// `struct llama_sampler_chain_params`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ChainParams {
    pub(crate) no_perf: u8,
}

/// A default-parameters function of a library whose struct may be larger than ours: the slack keeps
/// its writes inside memory we own until the check has spoken.
#[repr(C)]
struct Roomy<T> {
    value: T,
    slack: [u64; 64],
}

/// `ggml_log_callback`: level, text, user data.
pub(crate) type LogCallback = unsafe extern "C" fn(i32, *const c_char, *mut c_void);

macro_rules! functions {
    ($($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions of an opened library, by their C names.
        pub(crate) struct Functions {
            $(pub(crate) $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            /// Looks up every function, or says which one is missing.
            ///
            /// # Safety
            /// `library` must be llama.cpp of the version whose signatures stand below, and must
            /// stay loaded as long as the table is used.
            pub(crate) unsafe fn load(library: &libloading::Library) -> Result<Self, &'static str> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the caller vouches for the signature; the pointer is copied out
                        // of the symbol and lives as long as the library, which is never closed.
                        *unsafe {
                            library.get::<unsafe extern "C" fn($($argument),*) $(-> $result)?>(
                                concat!(stringify!($name), "\0").as_bytes(),
                            )
                        }
                        .map_err(|_| stringify!($name))?
                    },)*
                })
            }
        }
    };
}

functions! {
    llama_version: fn() -> *const c_char;
    llama_backend_init: fn();
    llama_log_set: fn(Option<LogCallback>, *mut c_void);
    ggml_backend_load_all_from_path: fn(*const c_char);
    ggml_backend_dev_count: fn() -> usize;
    ggml_backend_dev_get: fn(usize) -> *mut RawDevice;
    ggml_backend_dev_name: fn(*mut RawDevice) -> *const c_char;
    ggml_backend_dev_description: fn(*mut RawDevice) -> *const c_char;
    ggml_backend_dev_type: fn(*mut RawDevice) -> i32;

    llama_model_default_params: fn() -> ModelParams;
    llama_model_load_from_file: fn(*const c_char, ModelParams) -> *mut RawModel;
    llama_model_free: fn(*mut RawModel);
    llama_model_get_vocab: fn(*const RawModel) -> *const RawVocabulary;
    llama_model_n_ctx_train: fn(*const RawModel) -> i32;
    llama_model_size: fn(*const RawModel) -> u64;
    llama_model_n_params: fn(*const RawModel) -> u64;
    llama_model_desc: fn(*const RawModel, *mut c_char, usize) -> i32;
    llama_model_meta_val_str: fn(*const RawModel, *const c_char, *mut c_char, usize) -> i32;
    llama_model_chat_template: fn(*const RawModel, *const c_char) -> *const c_char;
    llama_model_has_decoder: fn(*const RawModel) -> u8;
    llama_model_is_recurrent: fn(*const RawModel) -> u8;
    llama_model_is_hybrid: fn(*const RawModel) -> u8;

    llama_model_quantize_default_params: fn() -> QuantizeParams;
    llama_model_quantize: fn(*const c_char, *const c_char, *const QuantizeParams) -> u32;

    llama_vocab_n_tokens: fn(*const RawVocabulary) -> i32;
    llama_vocab_bos: fn(*const RawVocabulary) -> i32;
    llama_vocab_eos: fn(*const RawVocabulary) -> i32;
    llama_vocab_get_add_bos: fn(*const RawVocabulary) -> u8;
    llama_vocab_is_eog: fn(*const RawVocabulary, i32) -> u8;
    llama_vocab_is_control: fn(*const RawVocabulary, i32) -> u8;
    llama_tokenize: fn(*const RawVocabulary, *const c_char, i32, *mut i32, i32, u8, u8) -> i32;
    llama_token_to_piece: fn(*const RawVocabulary, i32, *mut c_char, i32, i32, u8) -> i32;

    llama_context_default_params: fn() -> ContextParams;
    llama_init_from_model: fn(*mut RawModel, ContextParams) -> *mut RawContext;
    llama_free: fn(*mut RawContext);
    llama_n_ctx: fn(*const RawContext) -> u32;
    llama_get_memory: fn(*const RawContext) -> *mut RawMemory;
    llama_decode: fn(*mut RawContext, RawBatch) -> i32;
    llama_get_logits_ith: fn(*mut RawContext, i32) -> *mut f32;
    llama_memory_clear: fn(*mut RawMemory, u8);
    llama_memory_seq_rm: fn(*mut RawMemory, i32, i32, i32) -> u8;
    llama_memory_seq_cp: fn(*mut RawMemory, i32, i32, i32, i32);

    llama_sampler_chain_init: fn(ChainParams) -> *mut RawSampler;
    llama_sampler_chain_add: fn(*mut RawSampler, *mut RawSampler);
    llama_sampler_init_greedy: fn() -> *mut RawSampler;
    llama_sampler_init_dist: fn(u32) -> *mut RawSampler;
    llama_sampler_init_top_k: fn(i32) -> *mut RawSampler;
    llama_sampler_init_top_p: fn(f32, usize) -> *mut RawSampler;
    llama_sampler_init_min_p: fn(f32, usize) -> *mut RawSampler;
    llama_sampler_init_temp: fn(f32) -> *mut RawSampler;
    llama_sampler_sample: fn(*mut RawSampler, *mut RawContext, i32) -> i32;
    llama_sampler_free: fn(*mut RawSampler);
}

/// The versions whose layouts stand above, as an error message names them.
pub(crate) const WANTED: &str = "version 0.4 to 0.6";

impl Functions {
    /// Refuses a library whose version or default parameters are not those of the layouts above,
    /// with what was found instead.
    ///
    /// # Safety
    /// The table must come from a library that is still loaded.
    pub(crate) unsafe fn check(&self) -> Result<String, String> {
        // SAFETY: the function takes nothing and returns a pointer to a static string.
        let version = unsafe { CStr::from_ptr((self.llama_version)()) };
        let version = version.to_string_lossy().into_owned();
        if !matches!(version.split('.').collect::<Vec<_>>()[..], ["0", "4" | "5" | "6", ..]) {
            return Err(format!("version {version}"));
        }
        // SAFETY: a struct this large is returned through a pointer to memory of the caller's; a
        // larger type there is the same call with more room. Every field is valid for any bits.
        let model = unsafe { roomy(self.llama_model_default_params)().value };
        if model != MODEL_DEFAULTS {
            return Err(format!("version {version} with other model parameters"));
        }
        // SAFETY: as above.
        let context = unsafe { roomy(self.llama_context_default_params)().value };
        if context != CONTEXT_DEFAULTS {
            return Err(format!("version {version} with other context parameters"));
        }
        Ok(version)
    }

    /// The library's own parameters of quantization, to be held against [`QUANTIZE_DEFAULTS`].
    ///
    /// # Safety
    /// The table must come from a library that is still loaded.
    pub(crate) unsafe fn quantize_defaults(&self) -> QuantizeParams {
        // SAFETY: as in `check`.
        unsafe { roomy(self.llama_model_quantize_default_params)().value }
    }
}

/// The same function, declared to return into more room.
///
/// # Safety
/// `T` must be so large that the C convention returns it through memory.
unsafe fn roomy<T>(function: unsafe extern "C" fn() -> T) -> unsafe extern "C" fn() -> Roomy<T> {
    // SAFETY: both types are function pointers; the caller vouches for the convention.
    unsafe {
        std::mem::transmute::<unsafe extern "C" fn() -> T, unsafe extern "C" fn() -> Roomy<T>>(
            function,
        )
    }
}

/// What `llama_model_default_params` returns where the layouts agree.
const MODEL_DEFAULTS: ModelParams = ModelParams {
    devices: std::ptr::null_mut(),
    tensor_buffer_overrides: std::ptr::null(),
    gpu_layers: -1,
    split_mode: 1,
    load_mode: -1,
    lazy_mode: 1,
    main_gpu: 0,
    tensor_split: std::ptr::null(),
    progress_callback: std::ptr::null_mut(),
    progress_callback_data: std::ptr::null_mut(),
    kv_overrides: std::ptr::null(),
    vocab_only: 0,
    check_tensors: 0,
    use_extra_buffers: 1,
    no_host: 0,
    no_alloc: 0,
    load_mtp: 0,
};

/// What `llama_model_quantize_default_params` returns where the layouts agree.
pub(crate) const QUANTIZE_DEFAULTS: QuantizeParams = QuantizeParams {
    threads: 0,
    file_type: 7,
    output_type: 43,
    embedding_type: 43,
    allow_requantize: 0,
    quantize_output: 1,
    only_copy: 0,
    pure: 0,
    keep_split: 0,
    dry_run: 0,
    importance_matrix: std::ptr::null(),
    kv_overrides: std::ptr::null(),
    tensor_overrides: std::ptr::null(),
    prune_layers: std::ptr::null(),
    buffer_bytes_max: 8 << 30,
};

/// What `llama_context_default_params` returns where the layouts agree.
const CONTEXT_DEFAULTS: ContextParams = ContextParams {
    context: 512,
    batch: 2048,
    micro_batch: 512,
    sequences_max: 1,
    rollback_sequences: 0,
    outputs_max: 0,
    outputs_max_per_sequence: 1,
    threads: 4,
    threads_batch: 4,
    context_type: 0,
    rope_scaling_type: -1,
    pooling_type: -1,
    attention_type: -1,
    flash_attention: -1,
    rope_frequency_base: 0.0,
    rope_frequency_scale: 0.0,
    yarn_ext_factor: -1.0,
    yarn_attn_factor: -1.0,
    yarn_beta_fast: -1.0,
    yarn_beta_slow: -1.0,
    yarn_original_context: 0,
    defrag_threshold: -1.0,
    eval_callback: std::ptr::null_mut(),
    eval_callback_data: std::ptr::null_mut(),
    type_k: 1,
    type_v: 1,
    abort_callback: std::ptr::null_mut(),
    abort_callback_data: std::ptr::null_mut(),
    embeddings: 0,
    offload_kqv: 1,
    no_perf: 1,
    op_offload: 1,
    swa_full: 1,
    kv_unified: 0,
    samplers: std::ptr::null_mut(),
    samplers_len: 0,
    other: std::ptr::null_mut(),
};

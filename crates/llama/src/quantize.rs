//! Writes a model file anew with other number formats.
#![expect(unsafe_code, reason = "calls the C library")]

use std::ffi::CString;
use std::path::{Path, PathBuf};

use crate::error::QuantizeError;
use crate::ffi::{QUANTIZE_DEFAULTS, WANTED};
use crate::library::Library;
use crate::log;

/// What most of a file's weights are stored as (`enum llama_ftype`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// Numbers of 32 bits.
    F32,
    /// Numbers of 16 bits.
    F16,
    /// 4 bits and a scale for each 32 weights.
    Q4_0,
    /// 8 bits and a scale for each 32 weights.
    Q8_0,
}

impl FileType {
    const fn raw(self) -> i32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
        }
    }
}

/// Writes the model of `source` to `dest` as `file_type`, using `threads`. A file that is quantized
/// already is taken too: what it lost is not found again.
///
/// # Errors
/// Where `source` cannot be read as a model, `dest` cannot be written, or the library's parameters
/// are not the known ones.
pub fn quantize(
    library: &Library,
    source: &Path,
    dest: &Path,
    file_type: FileType,
    threads: u32,
) -> Result<(), QuantizeError> {
    let functions = library.functions();
    // SAFETY: the larger type returned leaves room for whatever the library writes, and every field
    // is valid for any bits.
    let mut params = unsafe { functions.quantize_defaults() };
    if params != QUANTIZE_DEFAULTS {
        return Err(QuantizeError::Mismatch {
            version: library.version().to_owned(),
            wanted: WANTED,
        });
    }
    params.threads = i32::try_from(threads).unwrap_or(i32::MAX);
    params.file_type = file_type.raw();
    params.allow_requantize = 1;
    log::clear();
    let (from, to) = (path(source)?, path(dest)?);
    // SAFETY: both paths end in NUL, and the parameters are the library's own with known fields
    // changed.
    let failed = unsafe { (functions.llama_model_quantize)(from.as_ptr(), to.as_ptr(), &params) };
    if failed == 0 {
        return Ok(());
    }
    Err(QuantizeError::Failed {
        source_path: source.to_owned(),
        dest: dest.to_owned(),
        reason: log::take_errors(),
    })
}

fn path(path: &Path) -> Result<CString, QuantizeError> {
    CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| QuantizeError::Failed {
        source_path: path.to_owned(),
        dest: PathBuf::new(),
        reason: "a path cannot hold a NUL".to_owned(),
    })
}

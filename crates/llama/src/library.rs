//! Opening llama.cpp from a folder.
#![expect(unsafe_code, reason = "opens and calls a C library")]

use std::ffi::{CStr, CString, c_char};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::LibraryError;
use crate::ffi::{Functions, WANTED};
use crate::log;

/// llama.cpp, opened and checked. Cheap to clone; stays open until the process ends.
#[derive(Clone)]
pub struct Library {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    version: String,
    backends: Vec<String>,
    devices: Vec<Device>,
    functions: Functions,
    /// Never closed: backends keep threads and exit handlers in it.
    _handle: std::mem::ManuallyDrop<libloading::Library>,
}

/// Something llama.cpp can compute on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// ggml's name for it: `CPU`, `CUDA0`, `Vulkan0`, `Metal`.
    pub name: String,
    /// The maker's name for it.
    pub description: String,
}

/// Kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor.
    Cpu,
    /// A graphics processor with memory of its own, or one that shares the machine's.
    Gpu,
    /// Anything else ggml offers, such as a BLAS library or a matrix unit.
    Accelerator,
}

/// The one library a process can have open: its own dependencies are found by name, so that a
/// second folder would be given the first one's.
static OPEN: Mutex<Option<Library>> = Mutex::new(None);

impl Library {
    /// Opens the llama.cpp in `folder`: `libllama` with its `libggml` and backends beside it. The
    /// same folder opened again is the same library.
    ///
    /// # Errors
    /// Where the folder has none, it does not load here, it is another version than this crate can
    /// call, or another folder's is open already.
    pub fn open(folder: &Path) -> Result<Self, LibraryError> {
        let missing = || LibraryError::Missing { folder: folder.to_owned() };
        let canonical = folder.canonicalize().map_err(|_| missing())?;
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*open {
            if library.inner.folder == canonical {
                return Ok(library.clone());
            }
            let open = library.inner.folder.clone();
            return Err(LibraryError::AnotherOpen { open, wanted: canonical });
        }
        let file = find(&canonical).ok_or_else(missing)?;
        let library = Self { inner: Arc::new(load(canonical, &file)?) };
        *open = Some(library.clone());
        Ok(library)
    }

    /// llama.cpp's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.inner.version
    }

    /// The folder it was opened from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The file names of the backends chosen for this machine, such as `libggml-cpu-haswell.so`;
    /// empty where they are part of the library itself.
    #[must_use]
    pub fn backends(&self) -> &[String] {
        &self.inner.backends
    }

    /// The devices found.
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.inner.devices
    }

    /// The functions, for the rest of this crate.
    pub(crate) fn functions(&self) -> &Functions {
        &self.inner.functions
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("folder", &self.inner.folder)
            .field("version", &self.inner.version)
            .field("backends", &self.inner.backends)
            .finish_non_exhaustive()
    }
}

/// The `libllama` of a folder, whatever suffix its version and platform give it.
fn find(folder: &Path) -> Option<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            name == "llama.dll"
                || (name.starts_with("libllama.")
                    && (name.contains(".so") || name.ends_with(".dylib")))
        })
        .collect();
    // The shortest name is the plain one; versions of it are links to the same file.
    found.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    found.into_iter().next()
}

fn load(folder: PathBuf, file: &Path) -> Result<Inner, LibraryError> {
    let mismatch = |found| LibraryError::Mismatch { file: file.to_owned(), found, wanted: WANTED };
    // SAFETY: loading runs the library's initializers; the user chose the folder.
    let handle = unsafe { libloading::Library::new(file) }
        .map_err(|error| LibraryError::Open { file: file.to_owned(), reason: error.to_string() })?;
    let handle = std::mem::ManuallyDrop::new(handle);
    // SAFETY: the handle is never closed, and nothing is called but through `check` first.
    let functions = unsafe { Functions::load(&handle) }
        .map_err(|name| mismatch(format!("it has no function {name}")))?;
    // SAFETY: the library is loaded.
    let version = unsafe { functions.check() }.map_err(mismatch)?;

    log::clear();
    // SAFETY: the callback has the type ggml calls, and lives as long as the program.
    unsafe { (functions.llama_log_set)(Some(log::keep), std::ptr::null_mut()) };
    let path = CString::new(folder.as_os_str().as_encoded_bytes())
        .expect("the system just opened this path, so it holds no NUL");
    // SAFETY: the string ends in NUL and outlives the call.
    unsafe { (functions.ggml_backend_load_all_from_path)(path.as_ptr()) };
    // SAFETY: takes nothing; calling it again does no harm.
    unsafe { (functions.llama_backend_init)() };

    let backends = log::take_backends().iter().map(|path| file_name(path)).collect();
    let devices = devices(&functions);
    if !devices.iter().any(|device| device.kind == DeviceKind::Cpu) {
        return Err(LibraryError::NoBackend { folder });
    }
    Ok(Inner { folder, version, backends, devices, functions, _handle: handle })
}

fn file_name(path: &str) -> String {
    Path::new(path)
        .file_name()
        .map_or_else(|| path.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn devices(functions: &Functions) -> Vec<Device> {
    // SAFETY: takes nothing.
    let count = unsafe { (functions.ggml_backend_dev_count)() };
    (0..count)
        .map(|index| {
            // SAFETY: the index is below the count, the device lives as long as the library, and
            // its strings with it.
            unsafe {
                let device = (functions.ggml_backend_dev_get)(index);
                Device {
                    kind: match (functions.ggml_backend_dev_type)(device) {
                        0 => DeviceKind::Cpu,
                        1 | 2 => DeviceKind::Gpu,
                        _ => DeviceKind::Accelerator,
                    },
                    name: string((functions.ggml_backend_dev_name)(device)),
                    description: string((functions.ggml_backend_dev_description)(device)),
                }
            }
        })
        .collect()
}

/// A copy of a C string; empty for null.
///
/// # Safety
/// `text` must be null or end in NUL.
pub(crate) unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for its end.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

//! Where llama.cpp's log goes: nowhere, but for what an error message or a report needs.
//!
//! llama.cpp would write to stderr. Its lines are kept for the thread that caused them instead:
//! errors until someone asks why a call failed, and the names of the backends that were loaded.
#![expect(unsafe_code, reason = "the callback is called from C")]

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::catch_unwind;

/// `GGML_LOG_LEVEL_ERROR`.
const LEVEL_ERROR: i32 = 4;
/// Only so many bytes of errors are kept: the first ones say what went wrong.
const ERRORS_BYTES_MAX: usize = 1_024;

thread_local! {
    static KEPT: RefCell<Kept> = const { RefCell::new(Kept { errors: String::new(), backends: Vec::new() }) };
}

struct Kept {
    errors: String,
    backends: Vec<String>,
}

/// Takes in one line of llama.cpp's log.
pub(crate) unsafe extern "C" fn keep(level: i32, text: *const c_char, _data: *mut c_void) {
    // A panic must not cross into C; losing a log line is the lesser evil.
    let _ = catch_unwind(|| {
        if text.is_null() {
            return;
        }
        // SAFETY: ggml passes a string that ends in NUL and lives for the call.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        KEPT.with_borrow_mut(|kept| {
            if let Some((_, file)) = text.split_once(" backend from ") {
                kept.backends.push(file.trim().to_owned());
            }
            if level == LEVEL_ERROR && kept.errors.len() < ERRORS_BYTES_MAX {
                if !kept.errors.is_empty() {
                    kept.errors.push_str("; ");
                }
                kept.errors.push_str(text.trim());
            }
        });
    });
}

/// Forgets what this thread's earlier calls left.
pub(crate) fn clear() {
    KEPT.with_borrow_mut(|kept| kept.errors.clear());
}

/// What llama.cpp said was wrong since the last [`clear`] on this thread.
pub(crate) fn take_errors() -> String {
    let errors = KEPT.with_borrow_mut(|kept| std::mem::take(&mut kept.errors));
    if errors.is_empty() { "it gives no reason".to_owned() } else { errors }
}

/// The files of the backends loaded on this thread.
pub(crate) fn take_backends() -> Vec<String> {
    KEPT.with_borrow_mut(|kept| std::mem::take(&mut kept.backends))
}

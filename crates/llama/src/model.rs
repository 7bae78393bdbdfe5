//! A loaded GGUF file: its weights, vocabulary and chat template.
#![expect(unsafe_code, reason = "calls the C library")]

use std::ffi::{CString, c_char};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;

use domain::{Message, Tokenizer};

use crate::error::{LoadError, TemplateError};
use crate::ffi::{RawModel, RawVocabulary};
use crate::library::{Library, string};
use crate::log;
use crate::template::ChatTemplate;

/// `LLAMA_LOAD_MODE_MMAP`.
const LOAD_MODE_MMAP: i32 = 1;

/// One entry of a model's vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Token(pub i32);

/// How to load a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelOptions {
    /// How many layers to put on a GPU, where the library has a backend for one; `None` is all.
    pub gpu_layers: Option<u32>,
    /// Whether to read and check every weight first, which takes as long as reading the file.
    pub check_weights: bool,
}

impl Default for ModelOptions {
    /// Every layer on a GPU where there is one; weights unchecked.
    fn default() -> Self {
        Self { gpu_layers: None, check_weights: false }
    }
}

/// A loaded model. Cheap to clone; freed with its last clone and its last context.
#[derive(Clone)]
pub struct Model {
    inner: Arc<Inner>,
}

struct Inner {
    library: Library,
    raw: NonNull<RawModel>,
    vocabulary: *const RawVocabulary,
    path: PathBuf,
    name: String,
    vocabulary_size: usize,
    end_tokens: Vec<Token>,
    control_tokens: Vec<Token>,
    template: Result<ChatTemplate, String>,
}

// SAFETY: a loaded model and its vocabulary are never written to again, and llama.cpp's functions
// on them (metadata, tokenizing, making contexts) are safe to call from several threads.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: this is the last owner, and contexts own a clone of the model.
        unsafe { (self.library.functions().llama_model_free)(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl Model {
    /// Loads the GGUF file at `path`, mapping its weights into memory.
    ///
    /// # Errors
    /// Where the file is missing, no GGUF, damaged, or no model that generates text.
    pub fn load(library: &Library, path: &Path, options: ModelOptions) -> Result<Self, LoadError> {
        check_magic(path)?;
        let functions = library.functions();
        let unreadable = || LoadError::Unreadable {
            path: path.to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::InvalidFilename),
        };
        let file = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| unreadable())?;
        log::clear();
        // SAFETY: takes nothing.
        let mut params = unsafe { (functions.llama_model_default_params)() };
        params.load_mode = LOAD_MODE_MMAP;
        params.gpu_layers =
            options.gpu_layers.map_or(-1, |layers| i32::try_from(layers).unwrap_or(i32::MAX));
        params.check_tensors = u8::from(options.check_weights);
        // SAFETY: the path ends in NUL, and the parameters are the library's own with known fields
        // changed.
        let raw = unsafe { (functions.llama_model_load_from_file)(file.as_ptr(), params) };
        let corrupt = |reason| LoadError::Corrupt {
            path: path.to_owned(),
            reason,
            version: library.version().to_owned(),
        };
        let raw = NonNull::new(raw).ok_or_else(|| corrupt(log::take_errors()))?;
        let inner = Inner::new(library.clone(), raw, path.to_owned());
        // SAFETY: the model is loaded.
        if unsafe { (functions.llama_model_has_decoder)(raw.as_ptr()) } == 0 {
            return Err(corrupt("it is an encoder, which generates no text".to_owned()));
        }
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The library it was loaded with.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.inner.library
    }

    /// The file it was loaded from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// The architecture, the number of weights and the format of most of them, such as
    /// `llama 135M Q4_0`.
    ///
    /// The last is llama.cpp's word. Its own description gives the size too, but guesses it from the
    /// number of layers: it calls this model of 135 million weights `256M`.
    #[must_use]
    pub fn description(&self) -> String {
        let functions = self.inner.library.functions();
        let own = self.inner.buffered(|buffer, size| {
            // SAFETY: the buffer has the size given.
            unsafe { (functions.llama_model_desc)(self.inner.raw.as_ptr(), buffer, size) }
        });
        let own = own.unwrap_or_default();
        let mut words = own.splitn(3, ' ');
        let (architecture, _guessed_size, format) = (words.next(), words.next(), words.next());
        let size = weights_in_words(self.parameters());
        format!("{} {size} {}", architecture.unwrap_or_default(), format.unwrap_or_default())
    }

    /// The value of a metadata key of the file, such as `general.name`.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.inner.metadata(key)
    }

    /// The context the model was trained for, in tokens.
    #[must_use]
    pub fn context_trained(&self) -> u32 {
        let functions = self.inner.library.functions();
        // SAFETY: the model is loaded.
        let context = unsafe { (functions.llama_model_n_ctx_train)(self.inner.raw.as_ptr()) };
        u32::try_from(context).unwrap_or(0)
    }

    /// The size of all weights, in bytes.
    #[must_use]
    pub fn weights_bytes(&self) -> u64 {
        let functions = self.inner.library.functions();
        // SAFETY: the model is loaded.
        unsafe { (functions.llama_model_size)(self.inner.raw.as_ptr()) }
    }

    /// The number of weights.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let functions = self.inner.library.functions();
        // SAFETY: the model is loaded.
        unsafe { (functions.llama_model_n_params)(self.inner.raw.as_ptr()) }
    }

    /// Whether part of a sequence can be removed from the cache or shared with another sequence.
    /// Recurrent models keep one state a sequence, of which there are no parts.
    #[must_use]
    pub fn can_share_prefix(&self) -> bool {
        let functions = self.inner.library.functions();
        // SAFETY: the model is loaded.
        let (recurrent, hybrid) = unsafe {
            (
                (functions.llama_model_is_recurrent)(self.inner.raw.as_ptr()),
                (functions.llama_model_is_hybrid)(self.inner.raw.as_ptr()),
            )
        };
        recurrent == 0 && hybrid == 0
    }

    /// The tokens of `text`, in which marks such as `<|im_end|>` are their own token either way. With
    /// `special`, the begin-of-text mark is put first where the model wants one and the text has
    /// none.
    #[must_use]
    pub fn tokenize(&self, text: &str, special: bool) -> Vec<Token> {
        let functions = self.inner.library.functions();
        // SAFETY: the vocabulary lives as long as the model.
        let (add_begin, begin) = unsafe {
            (
                (functions.llama_vocab_get_add_bos)(self.inner.vocabulary) != 0,
                (functions.llama_vocab_bos)(self.inner.vocabulary),
            )
        };
        let mut tokens = self.inner.tokenize(text);
        if special && add_begin && begin >= 0 && tokens.first() != Some(&Token(begin)) {
            tokens.insert(0, Token(begin));
        }
        tokens
    }

    /// Appends the bytes of `token` to `out`: often part of a character only, none for control
    /// tokens and for tokens outside the vocabulary.
    pub fn piece(&self, token: Token, out: &mut Vec<u8>) {
        self.inner.piece(token, false, out);
    }

    /// Whether `token` ends an answer.
    #[must_use]
    pub fn is_end(&self, token: Token) -> bool {
        self.inner.end_tokens.binary_search(&token).is_ok()
    }

    /// Every token that ends an answer or is a mark without text, in ascending order.
    #[must_use]
    pub fn control_tokens(&self) -> &[Token] {
        &self.inner.control_tokens
    }

    /// Whether the model has a form for conversations.
    #[must_use]
    pub fn has_template(&self) -> bool {
        match &self.inner.template {
            Ok(_) => true,
            Err(reason) => !reason.is_empty(),
        }
    }

    /// Puts a conversation into the model's own form, ready for the answer. `now_unix_s` is the
    /// date that templates may tell the model, in seconds since 1970.
    ///
    /// # Errors
    /// Where the model has no template, or its template is no good or refuses the conversation.
    pub fn apply_template(
        &self,
        messages: &[Message],
        now_unix_s: u64,
    ) -> Result<String, TemplateError> {
        match &self.inner.template {
            Ok(template) => template.render(messages, now_unix_s),
            Err(reason) if reason.is_empty() => Err(TemplateError::Missing),
            Err(reason) => Err(TemplateError::Syntax(reason.clone())),
        }
    }

    pub(crate) fn raw(&self) -> *mut RawModel {
        self.inner.raw.as_ptr()
    }
}

impl Inner {
    fn new(library: Library, raw: NonNull<RawModel>, path: PathBuf) -> Self {
        let functions = library.functions();
        // SAFETY: the model is loaded, and its vocabulary lives as long as it does.
        let (vocabulary, size) = unsafe {
            let vocabulary = (functions.llama_model_get_vocab)(raw.as_ptr());
            (vocabulary, (functions.llama_vocab_n_tokens)(vocabulary))
        };
        // SAFETY: every token asked about is in the vocabulary.
        let is_end =
            |token: &Token| unsafe { (functions.llama_vocab_is_eog)(vocabulary, token.0) != 0 };
        // SAFETY: as above.
        let is_mark =
            |token: &Token| unsafe { (functions.llama_vocab_is_control)(vocabulary, token.0) != 0 };
        let tokens = || (0..size).map(Token);
        let end_tokens = tokens().filter(is_end).collect();
        let control_tokens = tokens().filter(|token| is_end(token) || is_mark(token)).collect();
        let mut inner = Self {
            raw,
            vocabulary,
            name: String::new(),
            path,
            vocabulary_size: usize::try_from(size).unwrap_or(0),
            end_tokens,
            control_tokens,
            template: Err(String::new()),
            library,
        };
        inner.name = inner.metadata("general.name").unwrap_or_else(|| {
            inner.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
        });
        inner.template = inner.chat_template();
        inner
    }

    /// The model's chat template; an empty error where it has none.
    fn chat_template(&self) -> Result<ChatTemplate, String> {
        let functions = self.library.functions();
        // SAFETY: the model is loaded; the string returned is its own.
        let source = unsafe {
            string((functions.llama_model_chat_template)(self.raw.as_ptr(), std::ptr::null()))
        };
        if source.is_empty() {
            return Err(source);
        }
        // SAFETY: the vocabulary lives as long as the model.
        let (begin, end) = unsafe {
            (
                (functions.llama_vocab_bos)(self.vocabulary),
                (functions.llama_vocab_eos)(self.vocabulary),
            )
        };
        ChatTemplate::new(source, self.mark(begin), self.mark(end))
    }

    /// The text of a control token.
    fn mark(&self, token: i32) -> String {
        let mut bytes = Vec::new();
        self.piece(Token(token), true, &mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn metadata(&self, key: &str) -> Option<String> {
        let key = CString::new(key).ok()?;
        let functions = self.library.functions();
        self.buffered(|buffer, size| {
            // SAFETY: the key ends in NUL, and the buffer has the size given.
            unsafe {
                (functions.llama_model_meta_val_str)(self.raw.as_ptr(), key.as_ptr(), buffer, size)
            }
        })
    }

    /// The string that `write` puts into a buffer, snprintf's way: it returns the length the whole
    /// string has, or a negative number where there is none.
    fn buffered(&self, write: impl Fn(*mut c_char, usize) -> i32) -> Option<String> {
        let length = usize::try_from(write(std::ptr::null_mut(), 0)).ok()?;
        let mut buffer = vec![0_u8; length + 1];
        usize::try_from(write(buffer.as_mut_ptr().cast(), buffer.len())).ok()?;
        buffer.truncate(length);
        Some(String::from_utf8_lossy(&buffer).into_owned())
    }

    fn tokenize(&self, text: &str) -> Vec<Token> {
        let functions = self.library.functions();
        let length = i32::try_from(text.len()).expect("no prompt has two thousand million bytes");
        // One token a byte at most, and a leading space that some vocabularies add.
        let mut tokens: Vec<Token> = vec![Token(0); text.len() + 2];
        let write = |tokens: &mut Vec<Token>| {
            let room = i32::try_from(tokens.len()).unwrap_or(i32::MAX);
            // SAFETY: text and tokens have the lengths given, and `Token` is an `i32`.
            unsafe {
                (functions.llama_tokenize)(
                    self.vocabulary,
                    text.as_ptr().cast(),
                    length,
                    tokens.as_mut_ptr().cast(),
                    room,
                    0,
                    1,
                )
            }
        };
        let mut count = write(&mut tokens);
        if count < 0 {
            tokens.resize(count.unsigned_abs() as usize, Token(0));
            count = write(&mut tokens);
        }
        tokens.truncate(usize::try_from(count).unwrap_or(0));
        tokens
    }

    fn piece(&self, token: Token, special: bool, out: &mut Vec<u8>) {
        if usize::try_from(token.0).map_or(true, |token| token >= self.vocabulary_size) {
            return;
        }
        let functions = self.library.functions();
        let start = out.len();
        let mut room: usize = 64;
        loop {
            out.resize(start + room, 0);
            let size = i32::try_from(room).expect("a token has few bytes");
            // SAFETY: the token is in the vocabulary, and the buffer has the size given.
            let written = unsafe {
                let buffer = out[start..].as_mut_ptr().cast();
                (functions.llama_token_to_piece)(
                    self.vocabulary,
                    token.0,
                    buffer,
                    size,
                    0,
                    u8::from(special),
                )
            };
            match usize::try_from(written) {
                Ok(written) => return out.truncate(start + written),
                Err(_) => room = written.unsigned_abs() as usize,
            }
        }
    }
}

impl Tokenizer for Model {
    fn encode(&self, text: &str) -> Vec<u32> {
        self.tokenize(text, false).into_iter().map(|token| token.0.unsigned_abs()).collect()
    }

    fn decode(&self, tokens: &[u32]) -> String {
        let mut bytes = Vec::new();
        for &token in tokens {
            self.inner.piece(Token(i32::try_from(token).unwrap_or(-1)), true, &mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn vocabulary_size(&self) -> usize {
        self.inner.vocabulary_size
    }

    fn name(&self) -> &str {
        &self.inner.name
    }
}

/// A number of weights as models are called by it: `135M`, `1.2B`, `71B`.
fn weights_in_words(count: u64) -> String {
    let billions = count as f64 / 1e9;
    if billions >= 9.95 {
        format!("{billions:.0}B")
    } else if billions >= 0.9995 {
        format!("{billions:.1}B")
    } else {
        format!("{:.0}M", billions * 1e3)
    }
}

/// Refuses a file that does not begin as GGUF does, so that a wrong file is told from a damaged one.
fn check_magic(path: &Path) -> Result<(), LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    #[expect(clippy::disallowed_methods, reason = "this crate is one of those that open files")]
    let mut file = std::fs::File::open(path).map_err(unreadable)?;
    let mut magic = [0; 4];
    match file.read_exact(&mut magic) {
        Ok(()) if magic == *b"GGUF" => Ok(()),
        Ok(()) => Err(LoadError::NotGguf { path: path.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(LoadError::NotGguf { path: path.to_owned() })
        }
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_counted_as_models_are_called() {
        for (count, words) in [
            (134_515_008, "135M"),
            (999_400_000, "999M"),
            (999_600_000, "1.0B"),
            (1_235_814_400, "1.2B"),
            (9_940_000_000, "9.9B"),
            (9_960_000_000, "10B"),
            (70_553_706_496, "71B"),
        ] {
            assert_eq!(weights_in_words(count), words);
        }
    }
}

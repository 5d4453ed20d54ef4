//! Descriptors: every object of cuDNN's graph API is one, with attributes that are set before it is finalized and
//! read afterwards.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;

use allcnn_device::Error;
use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type,
    cudnnBackendDescriptorType_t as Kind,
};

/// The version of the library, such as 91002 for 9.10.2.
pub(crate) fn version() -> usize {
    // SAFETY: takes no argument and only returns a constant of the library.
    unsafe { sys::cudnnGetVersion() }
}

/// CUDNN_STATUS_NOT_SUPPORTED and its finer kinds.
const NOT_SUPPORTED: std::ops::Range<u32> = 3000..4000;

/// A value that an attribute can hold.
///
/// # Safety
/// The type in memory must be the one that `TYPE` stands for in cudnn_graph.h.
pub(crate) unsafe trait Attribute: Copy {
    const TYPE: Type;
}

macro_rules! attributes {
    ($($kind:ty => $name:ident),* $(,)?) => {
        // SAFETY: the pairs are those of cudnnBackendAttributeType_t.
        $(unsafe impl Attribute for $kind { const TYPE: Type = Type::$name; })*
    };
}

attributes! {
    i64 => CUDNN_TYPE_INT64,
    f32 => CUDNN_TYPE_FLOAT,
    bool => CUDNN_TYPE_BOOLEAN,
    c_char => CUDNN_TYPE_CHAR,
    *mut c_void => CUDNN_TYPE_VOID_PTR,
    sys::cudnnHandle_t => CUDNN_TYPE_HANDLE,
    sys::cudnnDataType_t => CUDNN_TYPE_DATA_TYPE,
    sys::cudnnConvolutionMode_t => CUDNN_TYPE_CONVOLUTION_MODE,
    sys::cudnnPointwiseMode_t => CUDNN_TYPE_POINTWISE_MODE,
    sys::cudnnBackendHeurMode_t => CUDNN_TYPE_HEUR_MODE,
}

/// A descriptor, destroyed when dropped.
#[derive(Debug)]
pub(crate) struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: a descriptor is plain memory of the library, bound to no thread.
unsafe impl Send for Descriptor {}
// SAFETY: through a shared reference attributes are read or a finalized plan is executed, always under the queue's lock, so
// by one thread at a time.
unsafe impl Sync for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: created by cudnnBackendCreateDescriptor and destroyed only here. A failure here has no remedy.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    pub(crate) fn new(kind: Kind) -> Result<Self, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the library writes one pointer, to `raw`.
        check("cudnnBackendCreateDescriptor", unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut raw) })?;
        Ok(Self(raw))
    }

    /// Sets an attribute.
    pub(crate) fn set<T: Attribute>(self, name: Name, values: &[T]) -> Result<Self, Error> {
        self.set_raw(name, T::TYPE, values)
    }

    /// Sets an attribute that refers to other descriptors.
    pub(crate) fn refer(self, name: Name, others: &[&Descriptor]) -> Result<Self, Error> {
        let raw: Vec<_> = others.iter().map(|other| other.0).collect();
        self.set_raw(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw)
    }

    fn set_raw<T>(self, name: Name, kind: Type, values: &[T]) -> Result<Self, Error> {
        let len = values.len() as i64;
        // SAFETY: the descriptor lives; `values` holds `len` elements of the kind, which the library copies.
        let status =
            unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, len, values.as_ptr().cast()) };
        check(&format!("{name:?}"), status)?;
        Ok(self)
    }

    /// Completes the descriptor.
    pub(crate) fn finalize(self) -> Result<Self, Error> {
        // SAFETY: the descriptor lives as long as `self`.
        check("cudnnBackendFinalize", unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// Completes the descriptor; `None` if the library does not support what it describes.
    pub(crate) fn finalize_if_supported(self) -> Result<Option<Self>, Error> {
        // SAFETY: the descriptor lives as long as `self`.
        let status = unsafe { sys::cudnnBackendFinalize(self.0) };
        if NOT_SUPPORTED.contains(&(status as u32)) {
            return Ok(None);
        }
        check("cudnnBackendFinalize", status)?;
        Ok(Some(self))
    }

    /// An integer attribute of a finalized descriptor.
    pub(crate) fn number(&self, name: Name) -> Result<i64, Error> {
        let (mut value, mut count) = (0i64, 0i64);
        // SAFETY: the descriptor lives, and `value` holds the one element that is requested.
        let status = unsafe {
            let to = ptr::from_mut(&mut value).cast();
            sys::cudnnBackendGetAttribute(self.0, name, Type::CUDNN_TYPE_INT64, 1, &mut count, to)
        };
        check(&format!("{name:?}"), status)?;
        Ok(value)
    }

    /// The values of an enumeration that an attribute lists, as numbers: a newer library may have more of them than the
    /// bindings.
    pub(crate) fn codes(&self, name: Name, kind: Type) -> Result<Vec<u32>, Error> {
        const MAX: usize = 64;
        let (mut values, mut count) = ([0u32; MAX], 0i64);
        // SAFETY: the descriptor lives, and `values` holds the MOST elements that are requested; C enumerations have 32 bits
        // here.
        let status = unsafe {
            let to = values.as_mut_ptr().cast();
            sys::cudnnBackendGetAttribute(self.0, name, kind, MAX as i64, &mut count, to)
        };
        check(&format!("{name:?}"), status)?;
        Ok(values[..(count as usize).min(MAX)].to_vec())
    }

    /// The descriptors that an attribute lists, at most `most`: the library fills descriptors that the caller created.
    pub(crate) fn descriptors(&self, name: Name, kind: Kind, most: usize) -> Result<Vec<Descriptor>, Error> {
        let mut made = (0..most).map(|_| Self::new(kind)).collect::<Result<Vec<_>, Error>>()?;
        let mut raw: Vec<_> = made.iter().map(|descriptor| descriptor.0).collect();
        let mut count = 0i64;
        // SAFETY: `raw` holds `most` descriptors of the kind, which `made` keeps alive.
        let status = unsafe {
            let kind = Type::CUDNN_TYPE_BACKEND_DESCRIPTOR;
            sys::cudnnBackendGetAttribute(
                self.0,
                name,
                kind,
                most as i64,
                &mut count,
                raw.as_mut_ptr().cast(),
            )
        };
        check(&format!("{name:?}"), status)?;
        made.truncate(count.max(0) as usize);
        Ok(made)
    }

    /// Queues a finalized plan with a finalized variant pack on the stream of `handle`.
    pub(crate) fn execute(&self, handle: sys::cudnnHandle_t, pack: &Descriptor) -> Result<(), Error> {
        // SAFETY: both descriptors live; `Plan::enqueue`, which made the pack, demands valid addresses of its caller.
        check("cudnnBackendExecute", unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) })
    }
}

/// An error with the library's own words.
pub(super) fn check(what: &str, status: sys::cudnnStatus_t) -> Result<(), Error> {
    if status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut text = [0 as c_char; 1024];
    // SAFETY: the library writes a string, terminated by zero, of at most the given length.
    let words = unsafe {
        sys::cudnnGetLastErrorString(text.as_mut_ptr(), text.len());
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    };
    Err(Error::Unavailable(format!("cuDNN failed at {what}: {status:?} {}", words.trim())))
}

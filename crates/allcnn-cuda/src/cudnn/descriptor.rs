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
pub fn version() -> usize {
    // SAFETY: takes nothing and changes nothing.
    unsafe { sys::cudnnGetVersion() }
}

/// CUDNN_STATUS_NOT_SUPPORTED and its finer kinds.
const NOT_SUPPORTED: std::ops::Range<u32> = 3000..4000;

/// A value that an attribute can hold.
///
/// # Safety
/// The type in memory must be the one that `TYPE` stands for in cudnn_graph.h.
pub unsafe trait Attribute: Copy {
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

/// A descriptor, destroyed when it goes.
#[derive(Debug)]
pub struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: a descriptor is plain memory of the library; it is used by one thread at a time.
unsafe impl Send for Descriptor {}
// SAFETY: shared use reads attributes or executes a finalized plan, under the queue's lock.
unsafe impl Sync for Descriptor {}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: made by cudnnBackendCreateDescriptor and destroyed once. A failure here has no remedy.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

impl Descriptor {
    pub fn new(kind: Kind) -> Result<Self, Error> {
        let mut raw = ptr::null_mut();
        // SAFETY: the library writes one pointer.
        check("cudnnBackendCreateDescriptor", unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut raw) })?;
        Ok(Self(raw))
    }

    /// Sets an attribute.
    pub fn set<T: Attribute>(self, name: Name, values: &[T]) -> Result<Self, Error> {
        self.set_raw(name, T::TYPE, values)
    }

    /// Sets an attribute that refers to other descriptors.
    pub fn refer(self, name: Name, others: &[&Descriptor]) -> Result<Self, Error> {
        let raw: Vec<_> = others.iter().map(|other| other.0).collect();
        self.set_raw(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &raw)
    }

    fn set_raw<T>(self, name: Name, kind: Type, values: &[T]) -> Result<Self, Error> {
        let len = values.len() as i64;
        // SAFETY: `values` holds `len` elements of the kind, which the library copies.
        let status =
            unsafe { sys::cudnnBackendSetAttribute(self.0, name, kind, len, values.as_ptr().cast()) };
        check(&format!("{name:?}"), status)?;
        Ok(self)
    }

    /// Ends the making of the descriptor.
    pub fn finalize(self) -> Result<Self, Error> {
        // SAFETY: a live descriptor.
        check("cudnnBackendFinalize", unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// The same for what the library may refuse because it cannot do it: nothing then.
    pub fn finalize_if_supported(self) -> Result<Option<Self>, Error> {
        // SAFETY: a live descriptor.
        let status = unsafe { sys::cudnnBackendFinalize(self.0) };
        if NOT_SUPPORTED.contains(&(status as u32)) {
            return Ok(None);
        }
        check("cudnnBackendFinalize", status)?;
        Ok(Some(self))
    }

    /// One whole number of a finalized descriptor.
    pub fn number(&self, name: Name) -> Result<i64, Error> {
        let (mut value, mut count) = (0i64, 0i64);
        // SAFETY: room for the one element asked for.
        let status = unsafe {
            let place = ptr::from_mut(&mut value).cast();
            sys::cudnnBackendGetAttribute(self.0, name, Type::CUDNN_TYPE_INT64, 1, &mut count, place)
        };
        check(&format!("{name:?}"), status)?;
        Ok(value)
    }

    /// The numbers of an enumeration that an attribute lists: read as numbers, because a newer library may know more
    /// of them than the bindings.
    pub fn codes(&self, name: Name, kind: Type) -> Result<Vec<u32>, Error> {
        const ROOM: usize = 64;
        let (mut values, mut count) = ([0u32; ROOM], 0i64);
        // SAFETY: room for as many elements as are asked for; enumerations of C have 32 bits here.
        let status = unsafe {
            let place = values.as_mut_ptr().cast();
            sys::cudnnBackendGetAttribute(self.0, name, kind, ROOM as i64, &mut count, place)
        };
        check(&format!("{name:?}"), status)?;
        Ok(values[..(count as usize).min(ROOM)].to_vec())
    }

    /// The descriptors that an attribute lists, at most `most`: the library fills ones that exist already.
    pub fn descriptors(&self, name: Name, kind: Kind, most: usize) -> Result<Vec<Descriptor>, Error> {
        let mut made = (0..most).map(|_| Self::new(kind)).collect::<Result<Vec<_>, Error>>()?;
        let mut raw: Vec<_> = made.iter().map(|descriptor| descriptor.0).collect();
        let mut count = 0i64;
        // SAFETY: `raw` holds `most` live descriptors of the kind.
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

    /// Runs a finalized plan with a finalized variant pack on the stream of `handle`.
    pub fn execute(&self, handle: sys::cudnnHandle_t, pack: &Descriptor) -> Result<(), Error> {
        // SAFETY: a plan and a pack for it; that the pointers in the pack are good is the duty of who made it.
        check("cudnnBackendExecute", unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) })
    }
}

/// An error with the library's own words.
pub fn check(what: &str, status: sys::cudnnStatus_t) -> Result<(), Error> {
    if status == sys::cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut text = [0 as c_char; 1024];
    // SAFETY: the library writes a string of at most that length.
    let words = unsafe {
        sys::cudnnGetLastErrorString(text.as_mut_ptr(), text.len());
        CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    };
    Err(Error::Unavailable(format!("cuDNN failed at {what}: {status:?} {}", words.trim())))
}

//! Conversion of nested errors: how a deeper error becomes the error of a function.

/// Implements `From` for the outer error from each error on the right, via the inner one, so that `?` works:
/// `through!(EvaluateError, ScoreError: data::Error, PreprocessError)`.
macro_rules! through {
    ($outer:ty, $inner:ty: $($source:ty),+) => {
        $(impl From<$source> for $outer {
            fn from(error: $source) -> Self {
                <$inner>::from(error).into()
            }
        })+
    };
}

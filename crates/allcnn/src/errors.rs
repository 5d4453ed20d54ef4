//! Errors within errors: how one that lies deeper becomes the error of a function.

/// Lets `?` turn each error on the right into the outer one by way of the inner one:
/// `through!(EvaluateError, ScoreError: data::Error, preprocess::Error)`.
macro_rules! through {
    ($outer:ty, $inner:ty: $($source:ty),+) => {
        $(impl From<$source> for $outer {
            fn from(error: $source) -> Self {
                <$inner>::from(error).into()
            }
        })+
    };
}

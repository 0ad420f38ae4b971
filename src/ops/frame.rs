//! Frames of the admin socket, the same for both ends.
//!
//! Each end first sends eight bytes, [`HELLO`], which name the version of what follows. Then comes
//! one frame with the request, and as many frames as the answer has parts: a length of four bytes,
//! big-endian, and as many bytes of JSON. Both ends check a length before they make room for it.
//!
//! The hello ends with a line feed: programs from before the frames read a line and answer with one,
//! so that each end recognises the other as another version.
//!
//! This room must never make room for more than the maximum, and never leave a frame unwiped.

use serde::Serialize;
use std::io::{self, ErrorKind};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

/// What each end says first.
pub(super) const HELLO: [u8; 8] = *b"lacre/3\n";
/// The most bytes of a request.
pub(super) const MAX_REQUEST: usize = 1 << 20;
/// The most bytes of one frame of an answer.
pub(super) const MAX_REPLY: usize = 16 << 20;
/// Room for every frame that holds a secret, so that no grown buffer leaves a copy behind.
const USUAL: usize = 16 * 1024;
const HEADER: usize = size_of::<u32>();

/// Why a frame can't be read or written.
#[derive(Debug, Error)]
pub(super) enum FrameError {
    /// The connection broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The connection ended inside of a frame.
    #[error("the frame has no end")]
    Cut,
    /// The frame is longer than the maximum.
    #[error("the frame is too long")]
    TooLong,
}

/// A frame with this value, ready to be written.
pub(super) fn encode(value: &impl Serialize, max: usize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let mut frame = Zeroizing::new(Vec::with_capacity(USUAL));
    frame.extend_from_slice(&[0; HEADER]);
    serde_json::to_writer(&mut *frame, value).map_err(io::Error::from)?;
    let length = frame.len() - HEADER;
    match u32::try_from(length) {
        Ok(header) if length <= max => {
            frame[..HEADER].copy_from_slice(&header.to_be_bytes());
            Ok(frame)
        }
        _ => Err(FrameError::TooLong),
    }
}

/// Reads the content of one frame; `None` where the connection ends before it begins.
pub(super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    max: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
    let mut header = [0; HEADER];
    if from.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..]).await.map_err(cut)?;
    let mut content = room(header, max)?;
    from.read_exact(&mut content).await.map_err(cut)?;
    Ok(Some(content))
}

/// Reads the content of one frame as [`read`] does, and blocks.
pub(super) fn read_blocking(
    from: &mut impl io::Read,
    max: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, FrameError> {
    let mut header = [0; HEADER];
    if from.read(&mut header[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..]).map_err(cut)?;
    let mut content = room(header, max)?;
    from.read_exact(&mut content).map_err(cut)?;
    Ok(Some(content))
}

fn room(header: [u8; HEADER], max: usize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let length = usize::try_from(u32::from_be_bytes(header)).unwrap_or(usize::MAX);
    if length > max {
        return Err(FrameError::TooLong);
    }
    Ok(Zeroizing::new(vec![0; length]))
}

fn cut(error: io::Error) -> FrameError {
    match error.kind() {
        ErrorKind::UnexpectedEof => FrameError::Cut,
        _ => FrameError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn both(bytes: &[u8], max: usize) -> Result<Option<Vec<u8>>, String> {
        let plain = |read: Result<Option<Zeroizing<Vec<u8>>>, FrameError>| match read {
            Ok(content) => Ok(content.map(|content| content.to_vec())),
            Err(error) => Err(error.to_string()),
        };
        let one = plain(read(&mut &*bytes, max).await);
        let other = plain(read_blocking(&mut &*bytes, max));
        assert_eq!(one, other, "{bytes:?}");
        one
    }

    #[tokio::test]
    async fn a_frame_is_read_as_it_was_written_up_to_the_maximum() {
        let text = "x".repeat(98);
        let frame = encode(&text, 100).unwrap();
        let content = both(&frame, 100).await.unwrap().unwrap();
        assert_eq!(content, format!("\"{text}\"").into_bytes());
        assert_eq!(both(&frame, 99).await.unwrap_err(), "the frame is too long");
        assert!(matches!(encode(&text, 99), Err(FrameError::TooLong)));
    }

    #[tokio::test]
    async fn a_length_that_lies_takes_no_room() {
        let huge = both(&[0xff; 8], MAX_REPLY).await;
        assert_eq!(huge.unwrap_err(), "the frame is too long");
    }

    #[tokio::test]
    async fn a_frame_that_is_cut_anywhere_is_no_frame() {
        let frame = encode(&"hello", 100).unwrap();
        assert_eq!(both(&[], 100).await, Ok(None));
        for end in 1..frame.len() {
            let cut = both(&frame[..end], 100).await;
            assert_eq!(cut.unwrap_err(), "the frame has no end", "{end}");
        }
    }
}

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn frames_come_out_as_they_went_in() {
    let mut pipe = Vec::new();
    let about = About {
        class: "IndexLSH".into(),
        library: "1.12.0".into(),
        dimension: 16,
        rows: 40,
        metric: 22,
        own_ids: true,
    };
    let frames = [
        (Answer::More, Vec::new()),
        (Answer::Opened(about), Vec::new()),
        (Answer::Rows, vec![7; 3 << 20]),
        (Answer::Failed("reconstruct not implemented".into()), Vec::new()),
    ];
    for (message, body) in &frames {
        send(&mut pipe, message, body).unwrap();
    }
    let mut from = pipe.as_slice();
    for frame in frames {
        assert_eq!(receive::<Answer>(&mut from).unwrap(), Some(frame));
    }
    assert_eq!(receive::<Answer>(&mut from).unwrap(), None);
}

#[test]
fn what_is_cut_off_or_is_no_frame_is_an_error() {
    let mut whole = Vec::new();
    send(&mut whole, &Request::Rows { first: 3, count: 9 }, b"body").unwrap();
    for cut in 1..whole.len() {
        let error = receive::<Request>(&mut &whole[..cut]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut after {cut}");
    }
    let frame = |message: u32, body: u32, rest: &[u8]| {
        [message.to_le_bytes().as_slice(), body.to_le_bytes().as_slice(), rest].concat()
    };
    for (case, bytes) in [
        ("a message of 4 GiB", frame(u32::MAX, 0, &[])),
        ("a body of 4 GiB", frame(1, u32::MAX, &[1])),
        ("an unknown message", frame(1, 0, &[200])),
    ] {
        let error = receive::<Request>(&mut bytes.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{case}");
    }
}

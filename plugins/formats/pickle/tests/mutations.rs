/*!
No bytes make the decoder panic, run on, or take memory out of proportion: fixtures with bytes changed, cut, doubled
and joined, streams of opcodes in any order, and hostile pickles made by hand.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use vecferry_pickle_format::{Audit, Json, Kind, Limits, Node, Notes, Pickle, notes};
use vecferry_sdk::Error;
use vecferry_sdk::testing::MemoryFile;

/// Small enough that a budget is met while a test runs.
const LIMITS: Limits = Limits { memory: 8 << 20, depth: 40, expanded: 1 << 20, two_passes_from: u64::MAX };

/// Loads bytes and asks everything of what they give. Nothing is expected but that it ends.
fn survive(bytes: Vec<u8>) {
    let size = bytes.len() as u64;
    let file = MemoryFile::file("fuzzed", bytes);
    // What a first pass learns changes nothing but the memory that is taken.
    let loaded = Pickle::load(file.clone(), &LIMITS);
    let again = Pickle::load(file, &Limits { two_passes_from: 0, ..LIMITS });
    let why = |loaded: &Result<Pickle, Error>| {
        let mut error = loaded.as_ref().err().cloned()?;
        // Where the budget is met depends on the memory that was taken until there.
        error.context.retain(|(what, _)| error.code != "pickle/too-large" || what != "offset");
        Some(error)
    };
    assert_eq!(why(&loaded), why(&again));
    let Ok(pickle) = loaded else { return };
    let brief = |pickle: &Pickle| Json::new(&LIMITS, size).value(pickle.root(), &mut Notes::default());
    assert_eq!(brief(&pickle), brief(&again.unwrap()));
    // A node is 16 bytes, a value 8, and an opcode of one byte makes at most an object of four.
    assert!(pickle.memory() <= (size + 64) * 160, "{} bytes of memory for {size}", pickle.memory());
    let root = pickle.root();
    let mut audit = Audit::new(&pickle, &LIMITS);
    let audited = audit.check(root);
    let mut json = Json::new(&LIMITS, size);
    let mut found = Notes::default();
    match json.value(root, &mut found) {
        Ok(text) => {
            assert!(text.len() as u64 <= LIMITS.expanded + 4096, "{} bytes of JSON", text.len());
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
            // What was written, the audit let pass, but for values whose key came again. (It may let pass what fails
            // later: it reads no texts.)
            assert!(audited.is_ok() || found.codes().contains(&notes::KEY_COLLISION), "{audited:?}");
        }
        Err(error) => assert!(!error.message.is_empty() && error.context("file").is_some(), "{error}"),
    }
    visit(root);
}

/// Asks some nodes, breadth first, whatever they are.
fn visit(root: Node<'_>) {
    let mut queue = vec![root];
    for _ in 0..200 {
        let Some(node) = queue.pop() else { break };
        let _ = (node.describe(), node.class(), node.state(), node.as_bool(), node.is_empty());
        let _ = (node.integer(), node.as_f64(), node.is_text("key"), node.get("key"), node.attribute("key"));
        let _ = (node.document().map(|_| ()), node.numpy_scalar(), node.check_data());
        let _ = node.blob().map(|blob| blob.map(|blob| blob.read_all(1 << 16)));
        if let Ok(Some(array)) = node.array() {
            let rows = array.shape().first().copied().unwrap_or(1).min(3);
            let _ = array.rows(0, rows);
            let _ = array.element_list(0, usize::try_from(array.elements().min(5)).unwrap());
        }
        if node.kind() == Kind::Str {
            let _ = node.text();
        }
        let mut items = node.items();
        queue.extend(items.by_ref().take(5));
        items.skip_items(7);
        queue.extend(items.next());
        queue.extend(node.entries().take(5).flat_map(|(key, value)| [key, value]));
        queue.extend(node.args().take(3).chain(node.state()));
    }
}

fn fixtures() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures");
    let mut found = Vec::new();
    for folder in ["pickle", "pickle_hostile", "pickle_stores", "langchain_stores"] {
        for case in std::fs::read_dir(root.join(folder)).unwrap() {
            for file in std::fs::read_dir(case.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|e| e == "pkl" || e == "pickle") {
                    found.push(path);
                }
            }
        }
    }
    for version in std::fs::read_dir(root.join("pickle_values")).unwrap() {
        for file in std::fs::read_dir(version.unwrap().path()).unwrap() {
            found.extend(Some(file.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "pkl")));
        }
    }
    found.sort();
    assert!(found.len() > 200);
    found.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A piece of the file, again, somewhere else.
    Copy(Index, Index, usize),
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = || any::<Index>();
    prop_oneof![
        (index(), any::<u8>()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (index(), opcode()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        (index(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, 1 << bit)),
        (index(), prop::collection::vec(opcode(), 1..6)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (index(), 1..20_usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        (index(), index(), 1..60_usize).prop_map(|(from, to, len)| Mutation::Copy(from, to, len)),
        index().prop_map(Mutation::Cut),
    ]
}

/// Any byte that is an opcode, the ones that move the stack and the memo more often.
fn opcode() -> impl Strategy<Value = u8> {
    let all = b"(.012FIJKLMNPQRSTUVX]abcdeghijlopqrstu})G\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8bBC\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98";
    prop_oneof![
        3 => prop::sample::select(all.to_vec()),
        1 => prop::sample::select(b"(]})tedRbh\x94\x85\x86q".to_vec()),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    if bytes.is_empty() {
        return;
    }
    let len = bytes.len();
    match mutation {
        Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
        Mutation::Flip(at, bit) => bytes[at.index(len)] ^= bit,
        Mutation::Insert(at, new) => {
            let at = at.index(len);
            bytes.splice(at..at, new.iter().copied());
        }
        Mutation::Remove(at, count) => {
            let at = at.index(len);
            bytes.drain(at..(at + count).min(len));
        }
        Mutation::Copy(from, to, count) => {
            let from = from.index(len);
            let piece = bytes[from..(from + count).min(len)].to_vec();
            let to = to.index(len);
            bytes.splice(to..to, piece);
        }
        Mutation::Cut(at) => bytes.truncate(at.index(len)),
    }
}

proptest! {
    // PROPTEST_CASES sets how long: a thousand cases take about three seconds in a debug build.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn mutated_fixtures(which in any::<Index>(), mutations in prop::collection::vec(mutation(), 1..8)) {
        thread_local! {
            static FIXTURES: Vec<Vec<u8>> = fixtures();
        }
        let mut bytes = FIXTURES.with(|fixtures| which.get(fixtures).clone());
        for mutation in &mutations {
            apply(&mut bytes, mutation);
        }
        survive(bytes);
    }

    #[test]
    fn streams_of_opcodes(body in prop::collection::vec(opcode(), 0..400)) {
        survive([b"\x80\x04".as_slice(), &body, b"."].concat());
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survive(bytes);
    }
}

/// A text opcode.
fn text(text: &str) -> Vec<u8> {
    [vec![b'X'], u32::try_from(text.len()).unwrap().to_le_bytes().to_vec(), text.as_bytes().to_vec()].concat()
}

fn error_of(bytes: Vec<u8>, limits: &Limits) -> String {
    let size = bytes.len() as u64;
    match Pickle::load(MemoryFile::file("made", bytes), limits) {
        Err(error) => error.code,
        Ok(pickle) => match Json::new(limits, size).value(pickle.root(), &mut Notes::default()) {
            Err(error) => error.code,
            Ok(_) => "read".to_owned(),
        },
    }
}

#[test]
fn hostile_pickles_made_by_hand() {
    let many = |piece: &[u8], count: usize| piece.repeat(count);
    for (name, bytes, code) in [
        ("nothing", vec![], "pickle/corrupt"),
        ("only STOP", b".".to_vec(), "pickle/corrupt"),
        ("no STOP", b"\x80\x04N".to_vec(), "pickle/truncated"),
        ("a million marks", [b"\x80\x04".to_vec(), many(b"(", 1_000_000), b"N.".to_vec()].concat(), "read"),
        (
            "a million nested lists",
            [many(b"]", 1_000_000), many(b"a", 999_999), b".".to_vec()].concat(),
            "pickle/too-deep",
        ),
        (
            "a million nested tuples",
            [b"N".to_vec(), many(b"\x85", 1_000_000), b".".to_vec()].concat(),
            "pickle/too-deep",
        ),
        (
            "a million nested dicts",
            [many(b"}K\x01", 1_000_000), b"N".to_vec(), many(b"s", 1_000_000), b".".to_vec()].concat(),
            "pickle/too-deep",
        ),
        ("a list in itself", b"]q\x00h\x00a.".to_vec(), "pickle/cycle"),
        ("a dict in itself", b"}q\x00K\x01h\x00s.".to_vec(), "pickle/cycle"),
        ("a tuple in itself", b"]q\x00h\x00\x85q\x010h\x01h\x01\x86.".to_vec(), "read"),
        ("a list in its tuple", b"]q\x00h\x00\x85a.".to_vec(), "pickle/cycle"),
        ("an OrderedDict in itself", b"ccollections\nOrderedDict\n)Rq\x00K\x01h\x00s.".to_vec(), "pickle/cycle"),
        ("POP below the bottom", b"0N.".to_vec(), "pickle/corrupt"),
        ("POP through a mark", b"N(00.".to_vec(), "pickle/corrupt"),
        ("APPENDS without a mark", b"]e.".to_vec(), "pickle/corrupt"),
        ("APPEND to a number", b"K\x01K\x02a.".to_vec(), "pickle/corrupt"),
        ("SETITEMS of three", b"}(K\x01K\x02K\x03u.".to_vec(), "pickle/corrupt"),
        ("BUILD of a list", b"]}b.".to_vec(), "pickle/corrupt"),
        ("BUILD of a class", b"cos\nsystem\n}b.".to_vec(), "pickle/corrupt"),
        ("REDUCE without a tuple", b"cos\nsystem\nK\x01R.".to_vec(), "pickle/corrupt"),
        ("REDUCE of a text", [text("x"), b")R.".to_vec()].concat(), "pickle/opaque"),
        ("STACK_GLOBAL of numbers", b"K\x01K\x02\x93.".to_vec(), "pickle/corrupt"),
        (
            "STACK_GLOBAL of built names",
            [text("os"), text("system"), b"\x93".to_vec(), text("x"), b"\x85R.".to_vec()].concat(),
            "pickle/opaque",
        ),
        ("a name with a dot", b"cbuiltins\neval.__call__\n)R.".to_vec(), "pickle/opaque"),
        ("getattr", b"cbuiltins\ngetattr\n(cos\nsystem\nU\x01xtR.".to_vec(), "pickle/opaque"),
        ("INST", b"(U\x02idios\nsystem\n.".to_vec(), "pickle/opaque"),
        ("OBJ", b"(cos\nsystem\nU\x02ido.".to_vec(), "pickle/opaque"),
        ("OBJ of nothing", b"(o.".to_vec(), "pickle/corrupt"),
        ("NEWOBJ", b"cos\nPathLike\n)\x81.".to_vec(), "pickle/opaque"),
        ("NEWOBJ_EX", b"cos\nPathLike\n)}\x92.".to_vec(), "pickle/opaque"),
        ("a class", b"cos\nsystem\n.".to_vec(), "pickle/opaque"),
        ("an unknown memo", b"h\x07.".to_vec(), "pickle/corrupt"),
        ("a far memo", b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.".to_vec(), "read"),
        ("a negative memo", b"Np-1\n.".to_vec(), "pickle/corrupt"),
        ("a memo without a number", b"Npx\n.".to_vec(), "pickle/corrupt"),
        ("a text of 2^63 bytes", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec(), "pickle/truncated"),
        ("bytes of 2^64 - 1", b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec(), "pickle/truncated"),
        ("a byte array of 2^40", b"\x96\x00\x00\x00\x00\x00\x01\x00\x00.".to_vec(), "pickle/truncated"),
        ("a string of -1 bytes", b"T\xff\xff\xff\xff.".to_vec(), "pickle/corrupt"),
        ("a number of -1 bytes", b"\x8b\xff\xff\xff\xff.".to_vec(), "pickle/corrupt"),
        ("a number of 2^31 - 1 bytes", b"\x8b\xff\xff\xff\x7f.".to_vec(), "pickle/truncated"),
        (
            "a number of a million bytes",
            [b"\x8b\x40\x42\x0f\x00".to_vec(), vec![0x55; 1_000_000], b".".to_vec()].concat(),
            "pickle/too-large",
        ),
        (
            "a number of a million digits",
            [b"L".to_vec(), vec![b'7'; 1_000_000], b"L\n.".to_vec()].concat(),
            "pickle/corrupt",
        ),
        ("a frame beyond the end", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN.".to_vec(), "pickle/truncated"),
        ("protocol 6", b"\x80\x06N.".to_vec(), "pickle/protocol"),
        ("a persistent id", b"Pid\n.".to_vec(), "pickle/external"),
        ("a binary persistent id", b"NQ.".to_vec(), "pickle/external"),
        ("an extension", b"\x82\x01.".to_vec(), "pickle/external"),
        ("a longer extension", b"\x84\x01\x00\x00\x00.".to_vec(), "pickle/external"),
        ("a buffer", b"\x80\x05\x97.".to_vec(), "pickle/external"),
        ("a read-only buffer", b"\x80\x05\x97\x98.".to_vec(), "pickle/external"),
        ("no opcode", b"\x80\x04\xff.".to_vec(), "pickle/corrupt"),
        ("text that is no UTF-8", b"X\x02\x00\x00\x00\xc3\x28.".to_vec(), "pickle/corrupt"),
        ("an int that is none", b"Ix\n.".to_vec(), "pickle/corrupt"),
        ("a float that is none", b"F1.2.3\n.".to_vec(), "pickle/corrupt"),
        ("a literal without quotes", b"Sabc\n.".to_vec(), "pickle/corrupt"),
        ("a date of month 13", b"cdatetime\ndate\n(C\x04\x07\xe8\x0d\x01tR.".to_vec(), "pickle/corrupt"),
        ("a date that does not exist", b"cdatetime\ndate\n(C\x04\x07\xe7\x02\x1dtR.".to_vec(), "pickle/corrupt"),
        ("a datetime of a number", b"cdatetime\ndatetime\n(K\x01tR.".to_vec(), "pickle/corrupt"),
        (
            "a datetime in a zone of code",
            b"cdatetime\ndatetime\n(C\x0a\x07\xe8\x01\x02\x03\x04\x05\x00\x00\x06cos\nsystem\n)RtR.".to_vec(),
            "pickle/opaque",
        ),
        ("a UUID of nothing", b"cuuid\nUUID\n)R.".to_vec(), "pickle/corrupt"),
        ("a path of numbers", b"cpathlib\nPurePosixPath\n(K\x01tR.".to_vec(), "pickle/corrupt"),
        ("a deque of a call", b"ccollections\ndeque\n(cos\nsystem\n)RtR.".to_vec(), "pickle/opaque"),
        ("a key that is a list", b"}]K\x01s.".to_vec(), "pickle/key"),
        ("a key that is a call", b"}cos\nsystem\n)RK\x01s.".to_vec(), "pickle/opaque"),
        ("a second state", b"cuuid\nUUID\n)R}b}b.".to_vec(), "pickle/corrupt"),
        ("items and keys", b"ccollections\ndeque\n)RK\x01aK\x01K\x02s.".to_vec(), "pickle/corrupt"),
    ] {
        let started = std::time::Instant::now();
        let found = error_of(bytes, &Limits::default());
        assert!(started.elapsed().as_secs() < 10, "{name} took {:?}", started.elapsed());
        assert_eq!(found, code, "{name}");
    }
}

/// `count` memo levels of `width` references each.
fn bomb(levels: usize, width: usize, open: &[u8], close: &[u8]) -> Vec<u8> {
    let mut out = b"\x80\x02]q\x00".to_vec();
    for level in 1..=levels {
        out.extend(open);
        for _ in 0..width {
            out.extend([b'h', u8::try_from(level - 1).unwrap()]);
        }
        out.extend(close);
        out.extend([b'q', u8::try_from(level).unwrap()]);
    }
    out.push(b'.');
    out
}

#[test]
fn bombs_are_refused_before_they_are_written() {
    let texts = [
        b"\x80\x02X\x10\x27\x00\x00".to_vec(),
        vec![b'x'; 10_000],
        b"q\x000](".to_vec(),
        b"h\x00".repeat(10_000),
        b"e.".to_vec(),
    ];
    for (name, bytes) in [
        ("lists", bomb(30, 10, b"](", b"e")),
        ("tuples", bomb(30, 10, b"(", b"t")),
        ("two each", bomb(35, 2, b"(", b"t")),
        ("sets", bomb(30, 10, b"\x8f(", b"\x90")),
        ("one text ten thousand times", texts.concat()),
    ] {
        let started = std::time::Instant::now();
        assert_eq!(error_of(bytes, &LIMITS), "pickle/too-large", "{name}");
        assert!(started.elapsed().as_secs() < 10, "{name}");
    }
}

#[test]
fn memory_has_a_budget() {
    let limits = Limits { memory: 1 << 20, ..Limits::default() };
    for (name, bytes) in [
        ("lists", b"]".repeat(1 << 20)),
        ("marks", b"(".repeat(1 << 20)),
        ("values", b"N".repeat(1 << 20)),
        ("memo", [b"N".to_vec(), b"\x94".repeat(1 << 20)].concat()),
        ("names", (0..100_000).flat_map(|i| format!("cm\nn{i}\n").into_bytes()).collect()),
        (
            "far memos",
            (0..100_000_u32).flat_map(|i| [vec![b'N', b'r'], (i * 40_000).to_le_bytes().to_vec()].concat()).collect(),
        ),
    ] {
        let error = Pickle::load(MemoryFile::file(name, [bytes, b".".to_vec()].concat()), &limits).err().unwrap();
        assert_eq!(error.code, "pickle/too-large", "{name}: {error}");
    }
}

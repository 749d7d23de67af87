/*!
The decoder in Rust (`plugins/formats/faiss`) beside libfaiss, on indexes that libfaiss made at random: of every type that
both read, every record's id and vector.

What is compared is two readings of the same file, so that a difference is one of decoding. Bits must be equal, but for
vectors that come back through a matrix: libfaiss multiplies with BLAS, which adds in another order.
`VECFERRY_ORACLE_SEED=N` makes other indexes; a failure names the seed. `VECFERRY_ORACLE_ONLY=NAME` makes one kind.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod random;
mod recipes;

use std::collections::BTreeMap;
use std::io::Cursor;

use random::Random;
use recipes::{RECIPES, Recipe, Rust};
use vecferry_faiss_format::Index;
use vecferry_faiss_reader::Records;
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{Error, ErrorKind};

const SEED: u64 = 20_251_122;
/// Indexes of a recipe.
const ROUNDS: u64 = 12;
/// Of what a matrix gives back, relative to the vector's largest value.
const MATRIX: f32 = 4e-6;

/// Bits of vectors by id; several where an id occurs several times.
type Vectors = BTreeMap<i64, Vec<Vec<u32>>>;

fn vectors(ids: &[i64], values: &[f32], dimension: usize) -> Vectors {
    let mut vectors = Vectors::new();
    for (id, vector) in ids.iter().zip(values.chunks_exact(dimension)) {
        vectors.entry(*id).or_default().push(vector.iter().map(|value| value.to_bits()).collect());
    }
    vectors
}

/// What libfaiss reads.
fn by_library(file: &[u8]) -> Result<Vectors, String> {
    let index =
        vecferry_faiss_reader::Index::read(Cursor::new(file.to_vec())).map_err(|failure| failure.to_string())?;
    let records = Records::of(index).map_err(|failure| failure.to_string())?;
    let dimension = records.about().dimension as usize;
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    while (ids.len() as u64) < records.about().rows {
        let (more_ids, more_values) = records.read(ids.len() as u64, 50).map_err(|failure| failure.to_string())?;
        ids.extend(more_ids);
        values.extend(more_values);
    }
    Ok(vectors(&ids, &values, dimension))
}

/// What the decoder in Rust reads.
fn by_decoder(file: &[u8]) -> Result<Vectors, Error> {
    let none = |name: &str| Err(Error::not_found("file/not-found", name));
    let index = Index::open(MemoryFile::file("index.faiss", file), &none)?;
    let (mut ids, mut values) = (Vec::new(), Vec::new());
    let mut scan = index.vectors()?;
    while let Some(chunk) = scan.next(50)? {
        ids.extend(chunk.ids);
        values.extend(chunk.values);
    }
    Ok(vectors(&ids, &values, index.info().dimension as usize))
}

/// What differs, if anything; else how many values were compared.
fn difference(have: &Vectors, want: &Vectors, through_matrix: bool) -> Result<usize, String> {
    if !have.keys().eq(want.keys()) {
        let (have, want): (Vec<_>, Vec<_>) = (have.keys().collect(), want.keys().collect());
        return Err(format!("ids {have:?}, libfaiss {want:?}"));
    }
    let mut values = 0;
    for ((id, have), want) in have.iter().zip(want.values()) {
        if have.len() != want.len() {
            return Err(format!("id {id} has {} vectors, libfaiss {}", have.len(), want.len()));
        }
        for (have, want) in have.iter().zip(want) {
            let largest = want.iter().map(|bits| f32::from_bits(*bits).abs()).fold(f32::MIN_POSITIVE, f32::max);
            for (have, want) in have.iter().zip(want) {
                let (near, exact) = (f32::from_bits(*have), f32::from_bits(*want));
                if have != want && !(through_matrix && (near - exact).abs() <= MATRIX * largest) {
                    return Err(format!("id {id}: {near:?}, libfaiss {exact:?}"));
                }
                values += 1;
            }
        }
    }
    Ok(values)
}

/// One index of a recipe, compared: vectors and values.
fn compare(recipe: &Recipe, random: &mut Random) -> Result<(usize, usize), String> {
    let made = recipe.make(random)?;
    let words = |what: String| format!("{made}: {what}");
    let library = by_library(&made.file).map_err(|failure| words(format!("libfaiss: {failure}")));
    match (recipe.rust, by_decoder(&made.file)) {
        (Rust::Equal | Rust::ThroughMatrix, Ok(have)) => {
            let want = library?;
            let through_matrix = matches!(recipe.rust, Rust::ThroughMatrix);
            let values = difference(&have, &want, through_matrix).map_err(words)?;
            Ok((want.values().map(Vec::len).sum(), values))
        }
        (Rust::Refuses, Err(error)) if error.kind == ErrorKind::Unsupported => {
            // Only libfaiss reads it; that it does, and gives as many as there are, is what is checked here.
            let want = library?;
            let vectors: usize = want.values().map(Vec::len).sum();
            if vectors == made.rows { Ok((0, 0)) } else { Err(words(format!("libfaiss gives {vectors}"))) }
        }
        (Rust::ReadsAlone, Ok(have)) => {
            let vectors: usize = have.values().map(Vec::len).sum();
            match library {
                Err(_) if vectors == made.rows => Ok((0, 0)),
                Err(_) => Err(words(format!("{vectors} vectors of {}", made.rows))),
                // Of no vectors it can give all.
                Ok(want) if want.is_empty() && made.rows == 0 => Ok((0, 0)),
                Ok(_) => Err(words("libfaiss reads it too".to_owned())),
            }
        }
        (Rust::BothRefuse, Err(error)) if error.kind == ErrorKind::Unsupported => match library {
            Err(_) => Ok((0, 0)),
            Ok(want) if want.is_empty() && made.rows == 0 => Ok((0, 0)),
            Ok(_) => Err(words("libfaiss reads it".to_owned())),
        },
        (_, Err(error)) => Err(words(format!("refused: {error}"))),
        (_, Ok(_)) => Err(words("read, and not refused".to_owned())),
    }
}

#[test]
fn both_readers_read_the_same() {
    let seed = std::env::var("VECFERRY_ORACLE_SEED").map_or(SEED, |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let (mut indexes, mut vectors, mut values, mut problems) = (0, 0, 0, Vec::new());
    let only = std::env::var("VECFERRY_ORACLE_ONLY").ok();
    let chosen = |recipe: &Recipe| only.as_ref().is_none_or(|name| name == recipe.name);
    for (number, recipe) in RECIPES.iter().enumerate().filter(|(_, recipe)| chosen(recipe)) {
        let (mut of_recipe, start) = (0, std::time::Instant::now());
        for round in 0..ROUNDS {
            let mut random = Random::new(seed ^ ((number as u64) << 32) ^ round);
            match compare(recipe, &mut random) {
                Ok((more_vectors, more_values)) => {
                    indexes += 1;
                    of_recipe += more_vectors;
                    values += more_values;
                }
                Err(problem) => {
                    println!("{} round {round}: {problem}", recipe.name);
                    problems.push(format!("{} round {round}: {problem}", recipe.name));
                }
            }
        }
        println!("{:<28} {of_recipe:>6} vectors, {} ms", recipe.name, start.elapsed().as_millis());
        vectors += of_recipe;
    }
    println!("compared {indexes} indexes of {} kinds, {vectors} vectors, {values} values", RECIPES.len());
    assert!(problems.is_empty(), "seed {seed}, {} differ:\n{}", problems.len(), problems.join("\n"));
}

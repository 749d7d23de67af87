/*! Graph indexes: the graph is passed over, the vectors are in the storage behind it. */

use vecferry_sdk::Result;

use super::{Body, Parser};
use crate::header::Header;
use crate::node::Kind;

/// Ends a node's neighbours.
const NO_NEIGHBOUR: i32 = -1;

impl Parser<'_> {
    /// HDR, what a kind of its own has, HNSW graph, index.
    pub(super) fn hnsw(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        match name {
            // u64 levels, vec<f32> sums.
            b"IHfP" => {
                self.reader.skip(8)?;
                self.vector(4)?;
            }
            // u8 keep_max_size_level0, u8 base_level_only, i32 entry points, and later i32 numeric_type.
            b"IHNc" => self.reader.skip(6)?,
            b"IHc2" => self.reader.skip(10)?,
            _ => {}
        }
        self.hnsw_graph(&header)?;
        let body = self.graph(header)?;
        if name == b"IHNr" {
            // u8 qb, once more than the storage has it.
            self.reader.skip(1)?;
        }
        Ok(body)
    }

    /// vec<f64> probabilities, vec<i32> neighbours by level, vec<i32> levels, vec<u64> offsets, vec<i32>
    /// neighbours, i32 entry_point, max_level, efConstruction, efSearch and one of no use.
    fn hnsw_graph(&mut self, header: &Header) -> Result<()> {
        self.vector(8)?;
        self.vector(4)?;
        self.vector_of("levels of a graph", Some(header.rows), 4)?;
        self.vector_of("offsets of a graph", header.rows.checked_add(1), 8)?;
        self.vector(4)?;
        self.reader.skip(5 * 4)
    }

    /// HDR, i32 GK, u8 build_type, four i32 of NN-descent, NSG graph, index.
    pub(super) fn nsg(&mut self) -> Result<Body> {
        let header = self.header()?;
        self.reader.skip(4 + 1 + 4 * 4)?;
        self.nsg_graph()?;
        self.graph(header)
    }

    /// i32 ntotal, R, L, C, search_L, enterpoint, u8 built; then every node's neighbours, ended by −1.
    fn nsg_graph(&mut self) -> Result<()> {
        let nodes = self.reader.i32()?;
        let most = self.reader.i32()?;
        self.reader.skip(4 * 4)?;
        if !self.flag()? {
            return Ok(());
        }
        for _ in 0..nodes.max(0) {
            let mut neighbours = 0;
            while self.reader.i32()? != NO_NEIGHBOUR {
                neighbours += 1;
                if neighbours > most {
                    return Err(self.corrupt(format!("a node of a graph has more than {most} neighbours")));
                }
            }
        }
        Ok(())
    }

    /// HDR, nine i32 of parameters, u8 built, vec<i32> graph, index.
    pub(super) fn nn_descent(&mut self) -> Result<Body> {
        let header = self.header()?;
        self.reader.skip(9 * 4 + 1)?;
        self.vector(4)?;
        self.graph(header)
    }

    fn graph(&mut self, header: Header) -> Result<Body> {
        let storage = Box::new(self.inner()?);
        self.same_rows(&header, &storage)?;
        self.same_width(&header, &storage)?;
        Ok(Body::new(header, Kind::Graph { storage }))
    }
}

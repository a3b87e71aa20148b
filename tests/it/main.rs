//! Tests that cross a border.

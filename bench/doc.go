// Package bench holds the benchmarks of the whole program: the built binary on
// sites of its own making, beside the bare system calls in the same run.
// docs/benchmarks.md has figures, and says how they were made.
package bench

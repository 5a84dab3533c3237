// Package house holds the rules of the house as tests: which room may import
// which, and what must not stand in any file. A rule that is only written down
// is kept for a while; these are kept.
package house

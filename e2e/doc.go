// Package e2e holds the proofs on the real program: built, started, killed, and
// asked over real sockets, beside the TFTP servers that it is meant for. What the
// tests need to stand on is in package lab.
package e2e

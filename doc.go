// Package pxepilot holds the nouns of PXE Pilot: hosts and their MAC
// addresses, boot configurations, bootloaders, the links that tie them
// together, and the errors that every room of the program speaks.
//
// PXE Pilot answers two questions about every machine that boots over the
// network: what will it boot next, and how does one change that. It does so by
// managing symbolic links in a TFTP root that is served by somebody else.
//
// The package does no I/O and imports only the standard library. A View is what
// was seen in the TFTP root at one moment; a Move is what somebody wants done to
// a host; a Step is one rename that brings it about. An Entry of the journal tells what
// was done, by whom and what came of it; an Arming says that what a host boots is meant
// once, until its installer is done.
package pxepilot

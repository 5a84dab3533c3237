// Package neighbour knows which machine of the LAN is where. It finds out at which
// IPv4 address a MAC address is, so that a BMC can be named in the file by the
// address on its sticker; and which MAC address is at the other end of a connection,
// so that a machine that holds no secret can speak for itself, and for no other.
//
// Sweep asks every address of some subnets. With CAP_NET_RAW it does so by ARP
// on raw sockets (RFC 826), an interface at a time side by side; without, it
// sends a datagram to each address and reads what the kernel learnt, which is
// slow and small. Lookup asks the kernel's neighbour table alone. Table keeps
// what was found over a restart; a newer sighting always wins.
//
// ARP proves nothing: any machine of the subnet can answer for a BMC, and RAKP
// hands whoever claims to be one a hash to crack offline (IPMI 2.0 section
// 13.31). What contradicts itself is therefore told as a Conflict, never hidden.
//
// Listen has the kernel keep the frame that opens each connection, Note notes it and
// the interface when the connection is accepted, and Who (who.go) compares it with
// the kernel's neighbour table, for machines on-link only (way.go). It asks where the
// table is not sure (ask.go, solicit.go), and says why where nobody can tell.
//
// Sockets are opened by the goroutine that calls, so that a caller whose thread
// is in another network namespace sweeps that one.
package neighbour

// Package neighbour finds out at which IPv4 address a MAC address is, so that a
// BMC can be named in the file by the address on its sticker.
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
// Sockets are opened by the goroutine that calls, so that a caller whose thread
// is in another network namespace sweeps that one.
package neighbour

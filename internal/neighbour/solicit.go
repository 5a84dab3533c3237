package neighbour

import (
	"net"
	"net/netip"

	"golang.org/x/net/ipv6"

	"github.com/pxe-pilot/pxe-pilot"
)

// Neighbour discovery of IPv6 (RFC 4861 sections 4.3, 4.4 and 4.6.1), by the
// offsets of its fields behind the header of IPv6.
const (
	atTarget  = 8 // behind type, code, checksum and flags
	atOptions = 24

	neighbourSolicitation = 135
	sourceLinkLayer       = 1
	targetLinkLayer       = 2
	unit                  = 8 // of the lengths of options, in bytes

	// What has passed a router is no neighbour's; each takes one of that.
	untouched = 255
)

// byNDP asks by a neighbour solicitation, of which the kernel makes the checksum
// (RFC 3542 section 3.1).
func (w *way) byNDP() (*question, error) {
	conn, err := net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: w.source.AsSlice(), Zone: w.source.Zone()})
	if err != nil {
		return nil, err
	}
	p := ipv6.NewPacketConn(conn)
	var advertisements ipv6.ICMPFilter
	advertisements.SetAll(true)
	advertisements.Accept(ipv6.ICMPTypeNeighborAdvertisement)
	for _, err := range []error{
		p.SetICMPFilter(&advertisements),
		p.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagInterface, true),
		p.SetMulticastHopLimit(untouched),
		p.SetMulticastInterface(&net.Interface{Index: w.link.index}),
	} {
		if err != nil {
			_ = p.Close()
			return nil, err
		}
	}
	ask, buf, target := solicitation(w.remote, w.link.mac), make([]byte, 1500), w.remote.WithZone("")
	return &question{
		conn: p,
		send: func() error {
			_, err := conn.WriteToIP(ask, &net.IPAddr{IP: solicitedNode(target).AsSlice(), Zone: w.remote.Zone()})
			return err
		},
		read: func() ([]pxepilot.MAC, error) {
			n, about, _, err := p.ReadFrom(buf)
			if err != nil {
				return nil, err
			}
			addr, mac, ok := parseAdvertisement(buf[:n])
			if !ok || addr != target || about == nil || about.HopLimit != untouched || about.IfIndex != w.link.index {
				return nil, nil
			}
			return []pxepilot.MAC{mac}, nil
		},
	}, nil
}

// solicitation asks who has an IPv6 address.
func solicitation(target netip.Addr, from pxepilot.MAC) []byte {
	b := make([]byte, atTarget, atOptions+unit)
	b[0] = neighbourSolicitation
	b = append(b, target.AsSlice()...)
	b = append(b, sourceLinkLayer, 1)
	return append(b, from[:]...)
}

// parseAdvertisement reads who has which address from what the filter lets through.
func parseAdvertisement(b []byte) (target netip.Addr, mac pxepilot.MAC, ok bool) {
	if len(b) < atOptions {
		return target, mac, false
	}
	target = netip.AddrFrom16([16]byte(b[atTarget:]))
	for options := b[atOptions:]; len(options) >= unit; {
		length := unit * int(options[1])
		if length == 0 || length > len(options) {
			return target, mac, false
		}
		if options[0] == targetLinkLayer && length == unit {
			copy(mac[:], options[2:])
			return target, mac, isMachine(mac)
		}
		options = options[length:]
	}
	return target, mac, false
}

// solicitedNode is the group of those that may have an address (RFC 4291 section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	group := [16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff}
	b := a.As16()
	copy(group[13:], b[13:])
	return netip.AddrFrom16(group)
}

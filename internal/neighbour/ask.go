package neighbour

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// nudge sends an empty datagram to the discard port (RFC 863): the kernel asks for
// those that it is to send to, if it does not know them.
func (w *way) nudge(ctx context.Context, remote netip.Addr) error {
	const discard = "9"
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(remote.String(), discard))
	if err != nil {
		return cannotSend(remote, err)
	}
	_, err = conn.Write(nil)
	if err := errors.Join(err, conn.Close()); err != nil {
		return cannotSend(remote, err)
	}
	return nil
}

// ask asks who has an address as the kernel would. The answer comes to the kernel,
// which believes it if the address is in its table. It may not without CAP_NET_RAW.
func (w *way) ask(remote netip.Addr) (may bool, err error) {
	if remote.Is4() {
		err = w.askByARP(remote)
	} else {
		err = w.askByNDP(remote)
	}
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES), errors.Is(err, unix.EAFNOSUPPORT):
		return false, nil
	case err != nil:
		return false, pxepilot.Errorf(pxepilot.Unavailable, "cannot ask for %s at the interface %s: %v; is the interface still up?", remote, w.link.name, err)
	}
	return true, nil
}

func (w *way) askByARP(remote netip.Addr) error {
	frame := newFrame(w.link.mac, w.source)
	aim(frame, toUint(remote))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // 0: it receives nothing
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Ifindex: w.link.index, Halen: uint8(len(w.link.mac))}
	return errors.Join(unix.Sendto(fd, frame, 0, to), unix.Close(fd))
}

// askByNDP sends a neighbour solicitation (RFC 4861 section 4.3). Its checksum is
// the kernel's work (RFC 3542 section 3.1).
func (w *way) askByNDP(remote netip.Addr) error {
	conn, err := net.ListenIP("ip6:ipv6-icmp", &net.IPAddr{IP: w.source.AsSlice(), Zone: w.source.Zone()})
	if err != nil {
		return err
	}
	p := ipv6.NewPacketConn(conn)
	var none ipv6.ICMPFilter
	none.SetAll(true)
	const untouched = 255 // whoever gets less throws it away, for a router passed it on
	err = errors.Join(
		p.SetICMPFilter(&none),
		p.SetMulticastHopLimit(untouched),
		p.SetMulticastInterface(&net.Interface{Index: w.link.index}))
	if err == nil {
		_, err = conn.WriteToIP(solicitation(remote, w.link.mac), &net.IPAddr{IP: solicitedNode(remote).AsSlice(), Zone: w.link.name})
	}
	return errors.Join(err, p.Close())
}

// solicitation asks who has an IPv6 address.
func solicitation(target netip.Addr, from pxepilot.MAC) []byte {
	const (
		neighbourSolicitation = 135
		sourceLinkLayer       = 1 // an option, RFC 4861 section 4.6.1
		units                 = 1 // of 8 bytes
	)
	b := make([]byte, 8, 32) // type, code, checksum, reserved
	b[0] = neighbourSolicitation
	b = append(b, target.AsSlice()...)
	b = append(b, sourceLinkLayer, units)
	return append(b, from[:]...)
}

// solicitedNode is the group of those that may have an address (RFC 4291 section 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	group := [16]byte{0: 0xff, 1: 0x02, 11: 0x01, 12: 0xff}
	b := a.As16()
	copy(group[13:], b[13:])
	return netip.AddrFrom16(group)
}

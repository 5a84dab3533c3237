package neighbour

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// Listen is net.Listen for TCP, with a kernel that keeps of each connection the
// packet that opened it, as Note wants. Multipath TCP is off: further paths of a
// connection come from wherever they like, and no kernel keeps packets for it.
func Listen(ctx context.Context, network, address string) (net.Listener, error) {
	c := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { return raw.Control(keepOpening) }}
	c.SetMultipathTCP(false)
	return c.Listen(ctx, network, address)
}

// keepOpening asks for the packets that open connections, with their Ethernet
// headers (TCP_SAVE_SYN of linux/tcp.h, 2 since Linux 5.10). An older kernel
// refuses, and Note does without.
func keepOpening(fd uintptr) {
	const withEthernetHeader = 2
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_SAVE_SYN, withEthernetHeader)
}

// A Connection is what the kernel knows of a TCP connection since it was opened.
type Connection struct {
	Remote    netip.AddrPort // IPv4 is never in IPv6, and the zone of a link-local address is its interface
	Local     netip.AddrPort
	Interface int // it came in by; 0 where that is not known
	// Opener is whose frame opened it, and Hops how many routers that packet could
	// still have passed (its time to live). Both are zero where the kernel kept no
	// such packet: an old one, or one that was flooded with them (SYN cookies).
	Opener pxepilot.MAC
	Hops   int
	// Entry is for want of Opener what the kernel's table said when it was accepted.
	Entry pxepilot.MAC
}

// Note notes what is known of a connection. It belongs right behind Accept and is
// made for that: it never fails, and takes ten microseconds or less where the listener
// is one of Listen's. The kernel's table would take thrice that, and wait for whoever
// changes networks meanwhile; few connections ever need it. What it could not find out Who tells.
func Note(c net.Conn) Connection {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		c = t.NetConn()
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return Connection{}
	}
	n := Connection{Remote: addrPort(tcp.RemoteAddr()), Local: addrPort(tcp.LocalAddr())}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return n
	}
	_ = raw.Control(func(fd uintptr) { // it fails for a connection that is closed already
		n.Interface = incoming(fd, tcp.LocalAddr())
		n.Opener, n.Hops = parseOpening(opening(fd), n.Remote.Addr())
	})
	if n.Hops == 0 && n.Interface != 0 && !n.Remote.Addr().IsLoopback() {
		if e, err := entryAt(n.Interface, n.Remote.Addr()); err == nil {
			n.Entry = e.mac
		}
	}
	return n
}

// addrPort is the address of a TCP socket.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := t.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// incoming is the interface that a connection came in by. Its socket remembers it
// as that of multicasts, and tells it among what it would tell of the next packet
// (IP_PKTOPTIONS, see do_ip_getsockopt in Linux's net/ipv4/ip_sockglue.c; RFC 2292
// section 4.1). The wish to be told is taken back, for IPv6 copies packets for it.
func incoming(fd uintptr, local net.Addr) int {
	level, wish, options := unix.IPPROTO_IP, unix.IP_PKTINFO, unix.IP_PKTOPTIONS
	if t, ok := local.(*net.TCPAddr); ok && t.IP.To4() == nil {
		level, wish, options = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, unix.IPV6_2292PKTOPTIONS
	}
	if unix.SetsockoptInt(int(fd), level, wish, 1) != nil {
		return 0
	}
	buf := make([]byte, 256)
	messages, err := unix.ParseSocketControlMessage(getsockopt(fd, level, options, buf))
	if unix.SetsockoptInt(int(fd), level, wish, 0) != nil || err != nil {
		return 0
	}
	for _, m := range messages {
		switch h := m.Header; {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			return int(binary.NativeEndian.Uint32(m.Data)) // struct in_pktinfo begins with it
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			return int(binary.NativeEndian.Uint32(m.Data[16:])) // struct in6_pktinfo ends with it
		}
	}
	return 0
}

// opening is the packet that opened a connection; the kernel gives it away once.
func opening(fd uintptr) []byte {
	buf := make([]byte, 256) // Ethernet, and IP and TCP with all the options that fit in
	return getsockopt(fd, unix.IPPROTO_TCP, unix.TCP_SAVED_SYN, buf)
}

// getsockopt reads an option of whatever length; nothing where there is none.
func getsockopt(fd uintptr, level, option int, buf []byte) []byte {
	n := uint32(len(buf))
	for {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), uintptr(option),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&n)), 0)
		switch {
		case errors.Is(errno, unix.EINTR):
		case errno != 0 || int(n) > len(buf):
			return nil
		default:
			return buf[:n]
		}
	}
}

const (
	ethernetHeader = 14
	etherTypeIPv4  = 0x0800
	etherTypeIPv6  = 0x86dd

	ipv4Header = 20 // RFC 791 section 3.1, by the offsets of its fields
	atTTL      = 8
	atIPv4     = 12

	ipv6Header = 40 // RFC 8200 section 3
	atHopLimit = 7
	atIPv6     = 8
)

// parseOpening reads who sent a packet from remote, and how many routers it could
// still pass. What came by no Ethernet, or is not that packet, says nothing.
func parseOpening(b []byte, remote netip.Addr) (sender pxepilot.MAC, hops int) {
	if len(b) < ethernetHeader {
		return sender, 0
	}
	ip := b[ethernetHeader:]
	var source netip.Addr
	switch etherType := binary.BigEndian.Uint16(b[atEtherType:]); {
	case etherType == etherTypeIPv4 && len(ip) >= ipv4Header && ip[0]>>4 == 4:
		source, hops = netip.AddrFrom4([4]byte(ip[atIPv4:])), int(ip[atTTL])
	case etherType == etherTypeIPv6 && len(ip) >= ipv6Header && ip[0]>>4 == 6:
		source, hops = netip.AddrFrom16([16]byte(ip[atIPv6:])), int(ip[atHopLimit])
	}
	if source != remote.WithZone("") {
		return pxepilot.MAC{}, 0
	}
	return pxepilot.MAC(b[atSource:]), hops
}

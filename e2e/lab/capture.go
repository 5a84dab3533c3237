package lab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Request is one that a machine made for a file, by TFTP or by HTTP, whatever
// came of it.
type Request struct {
	MAC    string
	Method string // READ by TFTP; GET or HEAD by HTTP
	Path   string // as asked for
}

func (r Request) String() string { return fmt.Sprintf("%s %-4s %s", r.MAC, r.Method, r.Path) }

// list shows requests, a line each.
func list(requests []Request) string {
	var b strings.Builder
	for _, r := range requests {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// Name is the path below the TFTP root, without what loaders write in front of it.
func (r Request) Name() string { return strings.TrimPrefix(path.Clean("/"+r.Path), "/") }

// A capture sees the requests on the wire, and so one way fits all servers, and
// what a server refuses is seen as well. The kernel keeps them until they are
// looked at: what a machine asked before it said something is always there.
type capture struct {
	socket int
	seen   []Request
}

func newCapture(t testing.TB, on netlink.Link) *capture {
	t.Helper()
	// packet(7) wants the protocol in network byte order.
	all := int(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP)))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	const room = 16 << 20 // for thousands of requests
	err = errors.Join(
		filterRequests(fd),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(all), Ifindex: on.Attrs().Index}),
	)
	if err != nil {
		t.Fatalf("capturing requests: %v", err)
	}
	return &capture{socket: fd}
}

// Offsets in a frame, for those of them that do not depend on a length.
const (
	atSource   = 6
	atType     = 12
	atIP       = 14
	atProtocol = atIP + 9
)

// filterRequests has a socket receive read requests of TFTP, and segments of TCP
// that begin with a request of HTTP, and nothing else.
func filterRequests(fd int) error {
	word := func(s string) uint32 { return binary.BigEndian.Uint32([]byte(s)) }
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: atType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 16},
		bpf.LoadMemShift{Off: atIP}, // X is the length of the IP header
		bpf.LoadAbsolute{Off: atProtocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.IPPROTO_TCP, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 12},
		bpf.LoadIndirect{Off: atIP + 2, Size: 2}, // the port that it goes to
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 69, SkipTrue: 9, SkipFalse: 10},
		bpf.LoadIndirect{Off: atIP + 12, Size: 1}, // the length of the TCP header, in its upper half
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 2},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadIndirect{Off: atIP, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: word("GET "), SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: word("HEAD"), SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1, SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 16},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	filter := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &filter)
}

// requests are all that were made so far.
func (c *capture) requests(t testing.TB) []Request {
	t.Helper()
	frame := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(c.socket, frame, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return c.seen
		}
		if err != nil {
			t.Fatalf("capturing requests: %v", err)
		}
		if r, ok := parseRequest(frame[:n]); ok {
			c.seen = append(c.seen, r)
		}
	}
}

// parseRequest reads a frame that the filter let pass.
func parseRequest(frame []byte) (Request, bool) {
	if len(frame) < atIP+20 {
		return Request{}, false
	}
	r := Request{MAC: pxepilot.MAC(frame[atSource:atType]).String()}
	ip := frame[atIP:]
	payload := ip[min(len(ip), 4*int(ip[0]&0x0f)):]
	if ip[9] == unix.IPPROTO_UDP {
		// RFC 1350, section 5, behind the 8 bytes of UDP's header.
		name, isRead := bytes.CutPrefix(payload[min(len(payload), 8):], []byte{0, 1})
		name, _, whole := bytes.Cut(name, []byte{0})
		r.Method, r.Path = "READ", string(name)
		return r, isRead && whole
	}
	if len(payload) < 20 {
		return Request{}, false
	}
	text := payload[min(len(payload), 4*int(payload[12]>>4)):]
	line, _, _ := strings.Cut(string(text), "\r\n")
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return Request{}, false
	}
	r.Method, r.Path = fields[0], fields[1]
	return r, true
}

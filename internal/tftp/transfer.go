package tftp

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// The kinds of packets (RFC 1350 section 5, RFC 2347).
const (
	opRead     = 1
	opData     = 3
	opAck      = 4
	opError    = 5
	opOptions  = 6
	headerSize = 4
)

// The codes of errors (RFC 1350 appendix, RFC 2347).
const (
	notFound      = 1
	accessDenied  = 2
	optionRefused = 8
)

const (
	// blockSize is what PXELINUX asks for: it fits into an Ethernet frame, with
	// room for a tunnel.
	blockSize = 1408
	// plainSize is that of a server that knows no options (RFC 1350 section 2).
	plainSize = 512
	// mostName leaves room for the rest of a request in 512 bytes (RFC 2347).
	mostName = 480
)

// patience is how long an answer is waited for, before it is asked for again.
var patience = [...]time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second}

// A serverError is what the server says is wrong.
type serverError struct {
	code    uint16
	message string
}

func (e *serverError) Error() string { return fmt.Sprintf("TFTP error %d (%q)", e.code, e.message) }

// errorOf is the code of what the server says is wrong, or -1.
func errorOf(err error) int {
	var e *serverError
	if errors.As(err, &e) {
		return int(e.code)
	}
	return -1
}

var (
	errSilent = errors.New("no answer")
	errMore   = errors.New("more than is wanted")
)

// explain makes of what went wrong an error for callers.
func (s *Server) explain(ctx context.Context, err error, limit int64) error {
	var e *serverError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		why := "the time for it was over"
		if errors.Is(ctx.Err(), context.Canceled) {
			why = "the request was given up"
		}
		return pxepilot.Errorf(pxepilot.Unavailable, "TFTP server %s was not asked to the end, for %s", s.Address(), why).Because(ctx.Err())
	case errors.Is(err, errMore):
		return pxepilot.Errorf(pxepilot.TooLarge, "more than %d bytes", limit).Because(err)
	case errors.Is(err, errSilent):
		return pxepilot.Errorf(pxepilot.Unavailable, "TFTP server %s does not answer; see whether it runs, and whether UDP gets there and back (tftp.address in the configuration file)",
			s.Address()).Because(err)
	case !errors.As(err, &e):
		return pxepilot.Errorf(pxepilot.Unavailable, "TFTP server %s cannot be asked: %s", s.Address(), reason(err)).Because(err)
	}
	said := ""
	if e.message != "" {
		said = " (" + pxepilot.Quote(e.message) + ")"
	}
	switch e.code {
	case notFound:
		return pxepilot.Errorf(pxepilot.NotFound, "not found%s", said).Because(err)
	case accessDenied:
		return pxepilot.Errorf(pxepilot.Forbidden, "access denied%s", said).Because(err)
	}
	return pxepilot.Errorf(pxepilot.Unprocessable, "TFTP error %d%s", e.code, said).Because(err)
}

// reason is what the system says, without the addresses around it.
func reason(err error) string {
	var e *os.SyscallError
	if errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// A link is one exchange of packets with a server.
type link struct {
	conn   *net.UDPConn
	server netip.AddrPort
	peer   netip.AddrPort // where the server goes on; zero before its first answer
	buffer [headerSize + blockSize + 1]byte
}

// transfer reads a file, in blocks of a size to be agreed on; 0 asks for none.
func transfer(ctx context.Context, server netip.AddrPort, name string, limit int64, size int) ([]byte, error) {
	network := "udp6"
	if server.Addr().Is4() {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()
	l := &link{conn: conn, server: server}
	content, err := l.read(ctx, name, limit, size)
	if err != nil && errorOf(err) < 0 {
		l.hangUp()
	}
	return content, err
}

func (l *link) read(ctx context.Context, name string, limit int64, size int) ([]byte, error) {
	request, block := readRequest(name, size), plainSize
	answer, err := l.exchange(ctx, request, func(p []byte) bool {
		return isBlock(p, 1) || size > 0 && kind(p) == opOptions
	})
	if err == nil && kind(answer) == opOptions {
		if block, err = agreed(answer, size); err != nil {
			return nil, err
		}
		answer, err = l.exchange(ctx, ack(0), func(p []byte) bool { return isBlock(p, 1) })
	}
	var content []byte
	for number := uint16(1); ; {
		if err != nil {
			return nil, err
		}
		data := answer[headerSize:]
		if len(data) > block {
			return nil, fmt.Errorf("it sends %d bytes in a block of %d", len(data), block)
		}
		if int64(len(content)+len(data)) > limit {
			return nil, errMore
		}
		content = append(content, data...)
		if len(data) < block {
			_, _ = l.conn.WriteToUDPAddrPort(ack(number), l.peer) // the server hardly cares, nor do we
			return content, nil
		}
		number++
		answer, err = l.exchange(ctx, ack(number-1), func(p []byte) bool { return isBlock(p, number) })
	}
}

// exchange sends a packet until an answer comes that is wanted, or an error.
// Whatever else comes counts for nothing: copies of what came before, and what
// others send (RFC 1350 section 4).
func (l *link) exchange(ctx context.Context, packet []byte, wanted func([]byte) bool) ([]byte, error) {
	for _, wait := range patience {
		to := l.peer
		if !to.IsValid() {
			to = l.server
		}
		if _, err := l.conn.WriteToUDPAddrPort(packet, to); err != nil {
			return nil, err
		}
		if err := l.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return nil, err
		}
		if ctx.Err() != nil { // then that may have been the later deadline
			return nil, ctx.Err()
		}
		for {
			n, from, err := l.conn.ReadFromUDPAddrPort(l.buffer[:])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
			answer := l.buffer[:n]
			switch {
			case from.Addr() != l.server.Addr() || l.peer.IsValid() && from != l.peer:
			case kind(answer) == opError:
				return nil, parseError(answer)
			case wanted(answer):
				l.peer = from
				return answer, nil
			}
		}
	}
	return nil, errSilent
}

// hangUp tells the server that no more is wanted, so that it need not find out.
func (l *link) hangUp() {
	if l.peer.IsValid() {
		_, _ = l.conn.WriteToUDPAddrPort([]byte("\x00\x05\x00\x00enough\x00"), l.peer)
	}
}

// readRequest asks for a file, and for blocks of a size unless that is 0.
func readRequest(name string, size int) []byte {
	text := "\x00\x01" + name + "\x00octet\x00"
	if size > 0 {
		text += "blksize\x00" + strconv.Itoa(size) + "\x00"
	}
	return []byte(text)
}

func ack(number uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{0, opAck}, number)
}

// kind is that of a packet; 0 for none.
func kind(p []byte) uint16 {
	if len(p) < 2 {
		return 0
	}
	return binary.BigEndian.Uint16(p)
}

func isBlock(p []byte, number uint16) bool {
	return len(p) >= headerSize && kind(p) == opData && binary.BigEndian.Uint16(p[2:]) == number
}

func parseError(p []byte) error {
	if len(p) < headerSize {
		return &serverError{}
	}
	message, _, _ := strings.Cut(string(p[headerSize:]), "\x00")
	return &serverError{binary.BigEndian.Uint16(p[2:]), message}
}

// agreed is the size of blocks that the server agrees to, which is never more
// than was asked for (RFC 2348).
func agreed(p []byte, asked int) (int, error) {
	fields := strings.Split(string(p[2:]), "\x00")
	for i := 0; i+1 < len(fields); i += 2 {
		if !strings.EqualFold(fields[i], "blksize") {
			continue
		}
		size, err := strconv.Atoi(fields[i+1])
		if err != nil || size < 8 || size > asked {
			return 0, fmt.Errorf("it wants blocks of %s bytes where %d were asked for", pxepilot.Quote(fields[i+1]), asked)
		}
		return size, nil
	}
	return plainSize, nil
}

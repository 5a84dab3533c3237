// Package tftp asks TFTP servers for files, as machines that boot do.
//
// The protocol is small (RFC 1350, and RFC 2347 and 2348 for larger blocks), and
// a server is not to be trusted with our time and memory: transfer.go keeps to
// the context, to what is wanted of a file, and to what the protocol allows,
// which the libraries that there are leave to the server.
package tftp

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// Port is where TFTP servers listen unless told otherwise (RFC 1350 section 4).
const Port = "69"

// A Server is a TFTP server of somebody else's. It is safe for concurrent use.
type Server struct {
	host, port string
	root       string

	mu    sync.Mutex
	known netip.Addr // of host
	until time.Time  // that it is taken for
}

// New makes a Server at a name or an IP address, with a port or without:
// "host", "host:port", "2001:db8::1" or "[2001:db8::1]:port". root is the
// directory that it serves, as it is named there. Nobody is asked yet.
func New(address, root string) (*Server, error) {
	s := &Server{port: Port, root: strings.TrimRight(root, "/")}
	bare := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if _, err := netip.ParseAddr(bare); err == nil || !strings.Contains(address, ":") {
		s.host = bare
	} else if s.host, s.port, err = net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("%s is no address of a TFTP server; want a name or an IP address, and a port behind it if it is not %s", pxepilot.Quote(address), Port)
	}
	if s.host == "" || s.port == "" {
		return nil, fmt.Errorf("%s names no host; want the address of a TFTP server", pxepilot.Quote(address))
	}
	return s, nil
}

// Address is where the server is, with the port.
func (s *Server) Address() string { return net.JoinHostPort(s.host, s.port) }

// Fetch reads a file by its path below the root, named as a loader does. Where the
// server says that it does not give it, the code of the error is NotFound,
// Forbidden, or Unprocessable for any other reason, and its message is what the
// server said; where there is more of it than limit bytes, it is TooLarge. Any other
// error says why the server could not be asked.
//
// A server that wants absolute names, as tftpd-hpa without --secure, only serves
// loaders that name files behind the folder of their boot file: there DHCP tells
// that by its absolute path.
func (s *Server) Fetch(ctx context.Context, path string, naming pxepilot.Naming, limit int64) ([]byte, error) {
	if naming == pxepilot.Rooted {
		path = "/" + path
	}
	content, err := s.fetch(ctx, path, limit)
	if pxepilot.ErrorCode(err) != pxepilot.Forbidden || naming != pxepilot.BesideBoot || s.root == "" {
		return content, err
	}
	again, errAgain := s.fetch(ctx, s.root+"/"+path, limit)
	switch pxepilot.ErrorCode(errAgain) {
	case "", pxepilot.TooLarge:
		return again, errAgain
	}
	// "Only absolute filenames allowed", says tftpd-hpa (validate_access in
	// tftpd.c), and what it says of the absolute name is the answer. To others it
	// was the file that was forbidden, under either name.
	if strings.Contains(strings.ToLower(err.Error()), "absolute") {
		return nil, errAgain
	}
	return nil, err
}

func (s *Server) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	if strings.IndexByte(name, 0) >= 0 || len(name) > mostName {
		return nil, pxepilot.Errorf(pxepilot.Unprocessable, "the name is none that a TFTP request can have")
	}
	to, err := s.resolve(ctx)
	if err != nil {
		return nil, err
	}
	content, err := transfer(ctx, to, name, limit, blockSize)
	if errorOf(err) == optionRefused {
		content, err = transfer(ctx, to, name, limit, 0)
	}
	return content, s.explain(ctx, err, limit)
}

// keepAddress is how long a name is taken to have the same address.
const keepAddress = 10 * time.Second

// resolve finds the address of the server.
func (s *Server) resolve(ctx context.Context) (netip.AddrPort, error) {
	unknown := func(what string, err error) error {
		return pxepilot.Errorf(pxepilot.Unavailable, "TFTP server %s: %s; mend tftp.address in the configuration file, or DNS", s.Address(), what).Because(err)
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", s.port)
	if err != nil {
		return netip.AddrPort{}, unknown("its port is unknown", err)
	}
	if addr, err := netip.ParseAddr(s.host); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().After(s.until) {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", s.host)
		if err != nil || len(found) == 0 {
			return netip.AddrPort{}, unknown("its name has no address", err)
		}
		s.known, s.until = found[0].Unmap(), time.Now().Add(keepAddress)
	}
	return netip.AddrPortFrom(s.known, uint16(port)), nil
}

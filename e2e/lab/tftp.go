package lab

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pin/tftp/v3"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// TFTP is a TFTP server of somebody else's that serves a root.
type TFTP struct {
	*Process
	address string
	base    string // goes before each name
	locked  bool   // it sees nothing but the root
}

// addresses counts the loopback addresses that were given out: each server has
// the well-known port on one of its own.
var addresses atomic.Int32

func newAddress() string {
	n := addresses.Add(1)
	return fmt.Sprintf("127.69.%d.%d", n>>8, n&0xff)
}

// A TFTPServer starts one that serves a root, at an address of its own on
// loopback, or else at the one that is given.
type TFTPServer func(t testing.TB, root string, at ...string) *TFTP

// addressOf is the one that a server is given, or one of its own.
func addressOf(at []string) string {
	if len(at) > 0 {
		return at[0]
	}
	return newAddress()
}

// Dnsmasq serves a root with dnsmasq, which here does nothing else.
func Dnsmasq(t testing.TB, root string, at ...string) *TFTP {
	t.Helper()
	NeedNamespaces(t)
	testenv.Need(t, "dnsmasq")
	a := addressOf(at)
	return serving(t, a, Start(t, "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--pid-file=",
		"--port=0", "--bind-interfaces", "--listen-address="+a, "--enable-tftp", "--tftp-root="+root))
}

// TftpdSecure serves a root with tftpd-hpa as Debian does: locked into it by
// chroot(2).
func TftpdSecure(t testing.TB, root string, at ...string) *TFTP {
	t.Helper()
	s := tftpd(t, addressOf(at), "--secure", root)
	s.locked = true
	return s
}

// Tftpd serves a root with tftpd-hpa that sees all of the file system. Then it
// wants absolute names.
func Tftpd(t testing.TB, root string, at ...string) *TFTP {
	t.Helper()
	s := tftpd(t, addressOf(at), root)
	s.base = root + "/"
	return s
}

func tftpd(t testing.TB, a string, args ...string) *TFTP {
	t.Helper()
	NeedNamespaces(t)
	testenv.Need(t, "in.tftpd")
	return serving(t, a, Start(t, "in.tftpd", append([]string{"--listen", "--foreground", "--address", a + ":69"}, args...)...))
}

// Atftpd serves a root with atftpd.
func Atftpd(t testing.TB, root string, at ...string) *TFTP {
	t.Helper()
	NeedNamespaces(t)
	a := addressOf(at)
	return serving(t, a, Start(t, filepath.Join(Unpacked(t, "atftpd"), "usr", "sbin", "atftpd"), "--daemon", "--no-fork", "--logfile", "-",
		"--verbose=7", "--bind-address", a, root))
}

// serving waits until a server answers: it is asked for what is not there.
func serving(t testing.TB, address string, p *Process) *TFTP {
	t.Helper()
	s := &TFTP{Process: p, address: address}
	Until(t, p.name+" serves TFTP", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("%s ended: %s", p.name, p.Said())
		default:
		}
		return answers(t, address)
	})
	return s
}

// answers says whether somebody answers a read request (RFC 1350, section 5) at
// the address.
func answers(t testing.TB, address string) bool {
	c, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		return false
	}
	defer c.Close()
	server := &net.UDPAddr{IP: net.ParseIP(address), Port: 69}
	if _, err := c.WriteTo([]byte("\x00\x01none\x00octet\x00"), server); err != nil {
		return false
	}
	_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	n, _, err := c.ReadFrom(make([]byte, 512))
	return err == nil && n > 0
}

// Client is a TFTP client of the server, for one goroutine.
func (s *TFTP) Client(t testing.TB) *Client {
	t.Helper()
	c, err := tftp.NewClient(net.JoinHostPort(s.address, "69"))
	if err != nil {
		t.Fatal(err)
	}
	c.SetTimeout(5 * time.Second)
	return &Client{c, s.base}
}

// A Client fetches files by TFTP.
type Client struct {
	tftp *tftp.Client
	base string
}

// Get fetches a file by its path below the root.
func (c *Client) Get(path string) (string, error) {
	from, err := c.tftp.Receive(c.base+path, "octet")
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	_, err = from.WriteTo(&b)
	return b.String(), err
}

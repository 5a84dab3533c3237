package tftp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pin/tftp/v3"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a server that others wrote, with files by name and blocks of that
// size at most, and returns its address.
func serve(t testing.TB, listen string, files *sync.Map, block int) string {
	t.Helper()
	s := tftp.NewServer(func(name string, to io.ReaderFrom) error {
		text, ok := files.Load(name)
		if !ok {
			return errors.New("no such file")
		}
		_, err := to.ReadFrom(strings.NewReader(text.(string)))
		return err
	}, nil)
	s.SetBlockSize(block)
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", listen)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { _ = s.Serve(conn) })
	t.Cleanup(func() {
		s.Shutdown()
		done.Wait()
	})
	return conn.LocalAddr().String()
}

func newServer(t testing.TB, address, root string) *Server {
	t.Helper()
	s, err := New(address, root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A file arrives as it is, whatever its size, and never more of it than is
// wanted.
func TestFetch(t *testing.T) {
	var files sync.Map
	sizes := map[string]int{"empty": 0, "one": 1, "plain": plainSize, "less": blockSize - 1, "block": blockSize, "more": blockSize + 1, "long": 300_000}
	for name, size := range sizes {
		files.Store(name, strings.Repeat("pxe-pilot ", size/10+1)[:size])
	}
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, most := range []int{plainSize, 1024, blockSize} { // the largest block of the server
			s := newServer(t, serve(t, listen, &files, most), "")
			for name, size := range sizes {
				want, _ := files.Load(name)
				got, err := s.Fetch(t.Context(), name, pxepilot.Plain, int64(size))
				if err != nil || string(got) != want {
					t.Errorf("%s: %s: got %d bytes (%v), want %d", listen, name, len(got), err, size)
				}
				if size == 0 {
					continue
				}
				got, err = s.Fetch(t.Context(), name, pxepilot.Plain, int64(size-1))
				if pxepilot.ErrorCode(err) != pxepilot.TooLarge || got != nil {
					t.Errorf("%s: %s: got %d bytes (%v), where less was wanted", listen, name, len(got), err)
				}
			}
			_, err := s.Fetch(t.Context(), "none", pxepilot.Plain, 100)
			if pxepilot.ErrorCode(err) != pxepilot.NotFound || err.Error() != `not found ("no such file")` {
				t.Errorf("%s: %v", listen, err)
			}
		}
	}
}

func TestFetchAtRandom(t *testing.T) {
	var files sync.Map
	s := newServer(t, serve(t, "127.0.0.1:0", &files, blockSize), "")
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[a-zA-Z0-9._-]{1,255}`).Draw(rt, "name")
		content := bytes.Repeat([]byte{rapid.Byte().Draw(rt, "byte")}, rapid.IntRange(0, 5*blockSize).Draw(rt, "size"))
		files.Store(name, string(content))
		limit := rapid.Int64Range(0, 6*blockSize).Draw(rt, "limit")
		got, err := s.Fetch(t.Context(), name, pxepilot.Plain, limit)
		if int64(len(content)) <= limit {
			if err != nil || !bytes.Equal(got, content) {
				rt.Fatalf("got %d bytes (%v), want %d", len(got), err, len(content))
			}
		} else if pxepilot.ErrorCode(err) != pxepilot.TooLarge {
			rt.Fatalf("%d bytes (%v), though %d are more than %d", len(got), err, len(content), limit)
		}
	})
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct{ address, want string }{
		{"10.0.0.2", "10.0.0.2:69"},
		{"10.0.0.2:6969", "10.0.0.2:6969"},
		{"tftp.example.net", "tftp.example.net:69"},
		{"tftp.example.net:6969", "tftp.example.net:6969"},
		{"2001:db8::2", "[2001:db8::2]:69"},
		{"[2001:db8::2]", "[2001:db8::2]:69"},
		{"[2001:db8::2]:6969", "[2001:db8::2]:6969"},
		{"", ""},
		{":69", ""},
		{"host:", ""},
		{"a:b:c", ""},
		{"[::1", "[::1]:69"},
	} {
		s, err := New(tt.address, "/srv/tftp")
		if (err != nil) != (tt.want == "") || err == nil && s.Address() != tt.want {
			t.Errorf("%q is %v (%v), want %q", tt.address, s, err, tt.want)
		}
	}
}

// A server is found by its name, and one without an address is told as such.
func TestNames(t *testing.T) {
	var files sync.Map
	files.Store("a", "b")
	_, port, err := net.SplitHostPort(serve(t, "127.0.0.1:0", &files, blockSize))
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, "no..name:"+port, "") // which no resolver has to be asked for
	_, err = s.Fetch(t.Context(), "a", pxepilot.Plain, 1)
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !strings.Contains(err.Error(), "its name has no address") {
		t.Error(err)
	}
	s = newServer(t, "no..name:"+port, "")
	s.known, s.until = netipLoopback, time.Now().Add(time.Hour)
	if got, err := s.Fetch(t.Context(), "a", pxepilot.Plain, 1); err != nil || string(got) != "b" {
		t.Errorf("%q, %v", got, err)
	}
}

// A request that is given up ends at once, whatever the server does.
func TestGivingUp(t *testing.T) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := newServer(t, silent.LocalAddr().String(), "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { // once it asked
		_, _, _ = silent.ReadFrom(make([]byte, 1000))
		cancel()
	}()
	_, err = s.Fetch(ctx, "a", pxepilot.Plain, 1)
	if pxepilot.ErrorCode(err) != pxepilot.Unavailable || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Whatever is no name never gets to the server.
func TestNamesThatAreNone(t *testing.T) {
	s := newServer(t, "127.0.0.1:1", "")
	for _, name := range []string{"a\x00octet", strings.Repeat("a", 481)} {
		if _, err := s.Fetch(t.Context(), name, pxepilot.Plain, 1); pxepilot.ErrorCode(err) != pxepilot.Unprocessable {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A server that wants absolute names is asked by them as loaders that follow their
// boot file do, and no other is.
func TestAbsoluteNames(t *testing.T) {
	const only, denied = "Only absolute filenames allowed", "Permission denied"
	for _, tt := range []struct {
		name               string
		naming             pxepilot.Naming
		relative, absolute []byte // the answers
		want               string
		code               pxepilot.Code
		asks               []string
	}{
		{"absolute", pxepilot.BesideBoot, failure(2, only), data(1, "x"), "x", "", []string{"a", "/srv/tftp/a"}},
		{"absolute, and missing", pxepilot.BesideBoot, failure(2, only), failure(1, "File not found"), "", pxepilot.NotFound, []string{"a", "/srv/tftp/a"}},
		{"absolute, and elsewhere", pxepilot.BesideBoot, failure(2, only), failure(2, "Forbidden directory"), "", pxepilot.Forbidden, []string{"a", "/srv/tftp/a"}},
		{"forbidden by either name", pxepilot.BesideBoot, failure(2, denied), failure(1, "File not found"), "", pxepilot.Forbidden, []string{"a", "/srv/tftp/a"}},
		{"relative", pxepilot.BesideBoot, data(1, "x"), nil, "x", "", []string{"a"}},
		{"missing", pxepilot.BesideBoot, failure(1, "File not found"), nil, "", pxepilot.NotFound, []string{"a"}},
		{"absolute, and a loader that asks as it likes", pxepilot.Plain, failure(2, only), data(1, "x"), "", pxepilot.Forbidden, []string{"a"}},
		{"absolute, and a loader that asks from the top", pxepilot.Rooted, data(1, "y"), failure(2, "Forbidden directory"), "", pxepilot.Forbidden, []string{"/a"}},
		{"from the top", pxepilot.Rooted, nil, data(1, "x"), "x", "", []string{"/a"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := make(chan string, 10)
			address := hostile(t, func(p []byte) [][]byte {
				if kind(p) != opRead {
					return nil
				}
				name, _, _ := strings.Cut(string(p[2:]), "\x00")
				asked <- name
				if strings.HasPrefix(name, "/") {
					return [][]byte{tt.absolute}
				}
				return [][]byte{tt.relative}
			})
			got, err := newServer(t, address, "/srv/tftp/").Fetch(t.Context(), "a", tt.naming, 10)
			if string(got) != tt.want || pxepilot.ErrorCode(err) != tt.code {
				t.Errorf("%q, %v", got, err)
			}
			var asks []string
			for range len(asked) {
				asks = append(asks, <-asked)
			}
			if diff := cmp.Diff(tt.asks, asks); diff != "" {
				t.Error(diff)
			}
		})
	}
}

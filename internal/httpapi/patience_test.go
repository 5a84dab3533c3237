package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// pipes is a network of net.Pipe, whose deadlines go by the clock of a bubble.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.IPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// servePipes runs the real server, with its real time limits, in a bubble, and
// returns a client of it.
func (l *lab) servePipes(t *testing.T, version2 bool) *http.Client {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!version2)
	protocols.SetUnencryptedHTTP2(version2)
	network := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := Server(l.handler, slog.New(slog.DiscardHandler))
	server.Protocols = &protocols
	transport := &http.Transport{DialContext: network.dial, Protocols: &protocols}
	ended := make(chan struct{})
	go func() { _ = server.Serve(network); close(ended) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return &http.Client{Transport: transport}
}

// What takes long is not cut off by the limits that clients have: neither a long
// sweep, nor a BMC that answers late, nor a deploy that waits for machines.
func TestLongRequests(t *testing.T) {
	for _, tt := range []struct {
		name, method, target, body string
		wait, sweep, takes         time.Duration
		status                     int
		want                       string
	}{
		{"sweep", "PATCH", "/v1/discovery", "", 0, 20 * time.Minute, 20 * time.Minute, 204, ""},
		{"power", "GET", "/v1/hosts/h1/power", "", 50 * time.Second, 0, 50 * time.Second, 200, `"powerState":"Off"`},
		{"power that is not told", "GET", "/v1/hosts/h1/power", "", time.Hour, 0, 57 * time.Second, 409, "did not answer in time"},
		{"reboot", "PATCH", "/v1/hosts/h2/reboot", "", 50 * time.Second, 0, 50 * time.Second, 204, ""},
		{"deploy", "PUT", "/v1/configurations/local/deploy", `{"hosts":[{"name":"h1","reboot":true},{"name":"h2"}]}`, time.Hour, 0, 57 * time.Second, 200,
			`{"name":"h1","configuration":"local","rebooted":"ERROR","problem":"host \"h1\": its BMC did not answer in time"}`},
	} {
		for _, version2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				l, _, m, s := newPowered(t)
				m.wait = tt.wait
				s.sweep = func(ctx context.Context) {
					select {
					case <-time.After(tt.sweep):
					case <-ctx.Done():
						s.fails = pxepilot.Errorf(pxepilot.Conflict, "cut off: %v", ctx.Err())
					}
				}
				c := l.servePipes(t, version2)
				for range 2 { // the connection is as good as before
					req, err := http.NewRequest(tt.method, "http://localhost"+tt.target, strings.NewReader(tt.body))
					if err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					res, err := c.Do(req)
					if err != nil {
						t.Fatalf("%s: %v", tt.name, err)
					}
					body, err := io.ReadAll(res.Body)
					_ = res.Body.Close()
					if err != nil || res.StatusCode != tt.status || !strings.Contains(string(body), tt.want) {
						t.Errorf("%s: %d %s, %v", tt.name, res.StatusCode, body, err)
					}
					if took := time.Since(began); took != tt.takes {
						t.Errorf("%s: it took %s", tt.name, took)
					}
				}
			})
		}
	}
}

// Patience ends with the machines: who does not read the answer has no more time
// for it than for any other.
func TestPatienceEnds(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration // the machine is done
		want  string        // of what is read then
	}{{writeTimeout - time.Second, "HTTP/1.1 200 OK"}, {writeTimeout + time.Second, ""}} {
		synctest.Test(t, func(t *testing.T) {
			l, _, m, _ := newPowered(t)
			m.wait = 50 * time.Second
			network := l.servePipes(t, false).Transport.(*http.Transport)
			conn, err := network.DialContext(t.Context(), "tcp", "localhost:80")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET /v1/hosts/h1/power HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			<-time.After(m.wait + tt.after) // a pipe has no buffer: what is not read is not written
			got, err := io.ReadAll(conn)
			if line, _, _ := strings.Cut(string(got), "\r\n"); line != tt.want || err != nil {
				t.Errorf("read %s later: %q, %v", tt.after, got, err)
			}
		})
	}
}

// A client that goes away ends its sweep.
func TestSweepOfNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _, _, s := newPowered(t)
		ended := make(chan error, 1)
		s.sweep = func(ctx context.Context) { <-ctx.Done(); ended <- ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Minute, cancel)
		req, err := http.NewRequestWithContext(ctx, "PATCH", "http://localhost/v1/discovery", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if res, err := l.servePipes(t, false).Do(req); err == nil {
			t.Errorf("answered %d", res.StatusCode)
			_ = res.Body.Close()
		}
		if err := <-ended; err == nil || time.Since(began) != 3*time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

package httpapi

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve starts the real server on loopback; answers are still held against the
// contract.
func (l *lab) serve() *httptest.Server {
	l.t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.Config = Server(l.handler, slog.New(slog.DiscardHandler))
	s.Start()
	l.t.Cleanup(s.Close)
	return s
}

// speak sends raw bytes and returns the answer. With stop it says that nothing
// more will come.
func speak(t *testing.T, s *httptest.Server, raw string, stop bool) answer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	if stop {
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.100q: %v", raw, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%.100q: %v", raw, err)
	}
	return answer{res, body}
}

// What net/http or a mux would answer or redirect by themselves.
func TestRawRequests(t *testing.T) {
	l, root := newSeed(t)
	s := l.serve()
	const host = "\r\nHost: localhost\r\n"
	const deploy = "Content-Length: 25\r\n\r\n" + `{"hosts":[{"name":"h1"}]}`
	for _, tt := range []struct {
		name, raw string
		status    int
		want      string
	}{
		{"dots", "PUT /v1/configurations/../configurations/local/deploy HTTP/1.1" + host + deploy, 404, "there is no"},
		{"double slash", "PUT //v1/configurations/local/deploy HTTP/1.1" + host + deploy, 404, "there is no"},
		{"a dot", "PUT /v1/./configurations/local/deploy HTTP/1.1" + host + deploy, 404, "there is no"},
		{"slash at the end", "PUT /v1/configurations/local/deploy/ HTTP/1.1" + host + deploy, 404, "there is no"},
		{"encoded dots", "PUT /v1/configurations/%2e%2e/deploy HTTP/1.1" + host + deploy, 400, "is a directory's"},
		{"OPTIONS *", "OPTIONS * HTTP/1.1" + host + "\r\n", 404, "there is no"},
		{"CONNECT", "CONNECT localhost:80 HTTP/1.1" + host + "\r\n", 404, "there is no"},
		{"CONNECT to a path", "CONNECT /v1/hosts HTTP/1.1" + host + "\r\n", 405, "does not take"},
		{"another server's URL", "GET http://evil.example/v1/hosts HTTP/1.1" + host + "\r\n", 403, "does not answer as"},
		{"our URL", "GET http://localhost/v1/hosts/h1 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200, `"h1"`},
		{"HTTP/1.0 without Host", "GET /v1/hosts/h1 HTTP/1.0\r\n\r\n", 200, `"h1"`},
		{"empty Host", "GET /v1/hosts/h1 HTTP/1.1\r\nHost:\r\n\r\n", 403, "does not answer as"},
		{"body that breaks off", "PUT /v1/clear HTTP/1.0\r\nContent-Length: 100\r\n\r\n{\"hosts\":[", 400, "broke off"},
		{"name of 10 kB, encoded", "GET /v1/hosts/" + strings.Repeat("%41", 10_000) + " HTTP/1.1" + host + "\r\n", 400, "longer than 255 bytes"},
	} {
		res := speak(t, s, tt.raw, tt.name == "body that breaks off")
		if res.StatusCode != tt.status || !strings.Contains(string(res.body), tt.want) || res.Header.Get("X-Request-Id") == "" || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v %s", tt.name, res.StatusCode, res.Header, res.body)
		}
		if res.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", tt.name, res.Header.Get("Content-Type"))
		}
	}
	// Headers without end are net/http's to refuse.
	if res := speak(t, s, "GET /v1/hosts HTTP/1.1"+host+"X: "+strings.Repeat("x", 70<<10)+"\r\n\r\n", false); res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("70 kB of headers: %d", res.StatusCode)
	}
	if root.changes > 0 {
		t.Error("something was changed")
	}
}

// A counter counts what is read from it.
type counter struct {
	io.Reader
	n atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// A body of 100 MB is refused before it is read where its length is told, and
// after 8 MiB where it is not.
func TestHugeBody(t *testing.T) {
	const huge = 100 << 20
	l, root := newSeed(t)
	for _, tt := range []struct {
		name   string
		length int64
		most   int64
	}{{"told", huge, 0}, {"chunked", -1, maxBody + 64<<10}} {
		body := &counter{Reader: io.MultiReader(strings.NewReader(`{"hosts":[{"name":"`), io.LimitReader(zeros{}, huge))}
		r := httptest.NewRequest("PUT", "/v1/configurations/local/deploy", body)
		r.Host, r.ContentLength = "localhost", tt.length
		got := l.send(r, `{"hosts":[{"name":"h1"}]}`)
		if got.StatusCode != http.StatusRequestEntityTooLarge || got.message(t) != "the body is larger than 8 MiB; ask for fewer hosts at once" {
			t.Errorf("%s: %d %s", tt.name, got.StatusCode, got.body)
		}
		if n := body.n.Load(); n > tt.most {
			t.Errorf("%s: %d bytes were read", tt.name, n)
		}
	}
	if root.changes > 0 {
		t.Error("something was changed")
	}
}

// The same over the wire: the client gets its answer, and the connection ends
// long before 100 MB went through.
func TestHugeBodyOverTheWire(t *testing.T) {
	l, _ := newSeed(t)
	s := l.serve()
	for _, tt := range []struct{ name, headers string }{
		{"told", "Content-Length: 104857600\r\n"},
		{"told, and asked first", "Content-Length: 104857600\r\nExpect: 100-continue\r\n"},
	} {
		res := speak(t, s, "PUT /v1/configurations/local/deploy HTTP/1.1\r\nHost: localhost\r\n"+tt.headers+"\r\n", false)
		if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close || !strings.Contains(string(res.body), "8 MiB") {
			t.Errorf("%s: %d, close %v, %s", tt.name, res.StatusCode, res.Close, res.body)
		}
	}
	body := &counter{Reader: io.LimitReader(zeros{}, 100<<20)}
	req, err := http.NewRequest("PUT", s.URL+"/v1/clear", io.MultiReader(strings.NewReader(`{"hosts":[{"name":"`), body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if n := body.n.Load(); res.StatusCode != http.StatusRequestEntityTooLarge || n > 50<<20 {
		t.Errorf("chunked: %d after %d bytes", res.StatusCode, n)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte("0"), len(b))), nil }

// The answers are the same over the wire as from the handler, and have a length.
func TestOverTheWire(t *testing.T) {
	l, _ := newSeed(t)
	s := l.serve()
	for _, target := range []string{"/v1/hosts", "/v1/hosts/h3", "/v1/configurations", "/v1/openapi.yaml", "/v1/nothing"} {
		want := l.ask("GET", target, "")
		for _, method := range []string{"GET", "HEAD"} {
			req, err := http.NewRequest(method, s.URL+target, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			text := string(want.body)
			if method == "HEAD" {
				text = ""
			}
			if diff := cmp.Diff(text, string(body)); diff != "" || res.StatusCode != want.StatusCode || res.ContentLength != int64(len(want.body)) {
				t.Errorf("%s %s: %d, length %d\n%s", method, target, res.StatusCode, res.ContentLength, diff)
			}
		}
	}
}

func TestServerHoldsNobodyUp(t *testing.T) {
	s := Server(http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	for name, d := range map[string]time.Duration{"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout,
		"WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s is %s", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > 1<<20 || s.ErrorLog == nil {
		t.Errorf("MaxHeaderBytes is %d, ErrorLog %v", s.MaxHeaderBytes, s.ErrorLog)
	}
}

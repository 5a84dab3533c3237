package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// A request is its connection's, whatever its headers say, unless they say that it
// came through a proxy.
func TestCaller(t *testing.T) {
	type told struct {
		mac pxepilot.MAC
		err error
	}
	answers := make(chan told, 1)
	var noted atomic.Int32
	s := httptest.NewUnstartedServer(nil)
	s.Config = Server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mac, err := caller(r)
		answers <- told{mac, err}
	}), slog.New(slog.DiscardHandler))
	want := pxepilot.MAC{5: 7}
	s.Config.ConnContext = Callers(func(net.Conn) Caller {
		noted.Add(1)
		return func(context.Context) (pxepilot.MAC, error) { return want, nil }
	})
	s.Start()
	t.Cleanup(s.Close)

	speak(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nForwarded: for=10.0.0.9\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n", false)
	if got := <-answers; got.mac != want || got.err != nil || noted.Load() != 1 {
		t.Errorf("got %s, %v; %d connections were noted", got.mac, got.err, noted.Load())
	}
	refused := func(got told, words string) {
		t.Helper()
		if !got.mac.IsZero() || pxepilot.ErrorCode(got.err) != pxepilot.Forbidden || !strings.Contains(got.err.Error(), words) ||
			!strings.Contains(got.err.Error(), "name the host in the URL") {
			t.Errorf("got %s, %v; want %s", got.mac, got.err, words)
		}
	}
	speak(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 proxy\r\n\r\n", false)
	refused(<-answers, `a proxy (Via: "1.1 proxy")`)
	mac, err := caller(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	refused(told{mac, err}, "does not know machines")
}

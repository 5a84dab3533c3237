package httpapi

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// A request is its connection's, whatever its headers say.
func TestCaller(t *testing.T) {
	want := pxepilot.MAC{5: 7}
	var got pxepilot.MAC
	var err error
	s := httptest.NewUnstartedServer(nil)
	s.Config = Server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, err = caller(r) }), slog.New(slog.DiscardHandler))
	noted := map[string]bool{}
	s.Config.ConnContext = Callers(func(c net.Conn) Caller {
		noted[c.RemoteAddr().String()] = true
		return func(context.Context) (pxepilot.MAC, error) { return want, nil }
	})
	s.Start()
	t.Cleanup(s.Close)
	for range 2 {
		speak(t, s, "GET / HTTP/1.1\r\nHost: localhost\r\nForwarded: for=10.0.0.9\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n", false)
	}
	if got != want || err != nil || len(noted) != 2 {
		t.Errorf("got %s, %v; %d connections were noted", got, err, len(noted))
	}
	got, err = caller(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if !got.IsZero() || pxepilot.ErrorCode(err) != pxepilot.Forbidden || !strings.Contains(err.Error(), "name the host in the URL") {
		t.Errorf("without a connection: got %s, %v", got, err)
	}
}

package app

import (
	"bufio"
	"bytes"
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
	"github.com/pxe-pilot/pxe-pilot/internal/httpapi"
)

// What is done after a switch ends with the server, once its grace is over, and who
// waits for it is told so.
func TestStopCutsOff(t *testing.T) {
	for _, tt := range []struct {
		name   string
		takes  time.Duration
		begun  time.Duration // after the server was told to stop
		answer string
		logged bool
	}{
		{"it ends in time", grace - time.Second, 0, "done", false},
		{"it takes too long", grace + 35*time.Second, 0, "it was cut off, for the server stopped", true},
		{"it waits for another one, and begins when all is over", time.Second, grace, "it was cut off, for the server stopped", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var text bytes.Buffer
				log := slog.New(slog.NewTextHandler(&text, nil))
				alive, cutOff := context.WithCancel(t.Context())
				after := during(alive, func(ctx context.Context) error {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(tt.takes):
						return nil
					}
				}, log)
				handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					<-time.After(tt.begun)
					answer := "done"
					if err := after(context.Background()); err != nil {
						answer = pxepilot.ErrorMessage(err)
					}
					_, _ = io.WriteString(w, answer)
				})
				here, there := net.Pipe()
				l := &onePipe{there, make(chan struct{})}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- serve(ctx, httpapi.Server(handler, log), l, cutOff, log) }()
				if _, err := io.WriteString(here, "GET / HTTP/1.0\r\n\r\n"); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				stop()
				res, err := http.ReadResponse(bufio.NewReader(here), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				got, err := io.ReadAll(res.Body)
				if err != nil || string(got) != tt.answer {
					t.Errorf("%q, %v; want %q", got, err, tt.answer)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
				if strings.Contains(text.String(), "was cut off") != tt.logged {
					t.Errorf("logged: %s", text.String())
				}
			})
		})
	}
	if during(t.Context(), nil, nil) != nil {
		t.Error("nothing is to be done, and is done")
	}
}

// onePipe is a listener that somebody has connected to.
type onePipe struct {
	conn   net.Conn
	closed chan struct{}
}

func (p *onePipe) Accept() (net.Conn, error) {
	if c := p.conn; c != nil {
		p.conn = nil
		return c, nil
	}
	<-p.closed
	return nil, net.ErrClosed
}

func (p *onePipe) Close() error   { close(p.closed); return nil }
func (p *onePipe) Addr() net.Addr { return &net.IPAddr{} }

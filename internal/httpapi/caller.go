package httpapi

import (
	"context"
	"net"
	"net/http"

	"github.com/pxe-pilot/pxe-pilot"
)

// A Caller tells the MAC address of the machine at the other end of a connection,
// or why nobody can tell. It may take a few seconds.
type Caller func(context.Context) (pxepilot.MAC, error)

type callerKey struct{}

// Callers is for the ConnContext of a server: note is called with each connection
// once it is accepted, before anything else is.
func Callers(note func(net.Conn) Caller) func(context.Context, net.Conn) context.Context {
	return func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, callerKey{}, note(c))
	}
}

// caller tells which machine sent a request. Headers are not believed: whoever
// forwards requests (Forwarded, X-Forwarded-For) could put anything there.
func caller(r *http.Request) (pxepilot.MAC, error) {
	tell, ok := r.Context().Value(callerKey{}).(Caller)
	if !ok {
		return pxepilot.MAC{}, pxepilot.Errorf(pxepilot.Forbidden, "this server does not know machines by their connections; name the host in the URL")
	}
	return tell(r.Context())
}

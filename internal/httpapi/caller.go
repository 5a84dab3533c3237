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

// caller tells which machine sent a request. What headers say of others is not
// believed (Forwarded, X-Forwarded-For), for anybody can put anything there; but a
// proxy that says that it is one (Via, RFC 9110 section 7.6.3) is nobody.
func caller(r *http.Request) (pxepilot.MAC, error) {
	if via := r.Header.Values("Via"); len(via) > 0 {
		return pxepilot.MAC{}, pxepilot.Errorf(pxepilot.Forbidden,
			"the request came through a proxy (Via: %s), so that nobody can tell which machine asked; ask without a proxy, or name the host in the URL (?host=NAME)",
			pxepilot.Quote(via[0]))
	}
	tell, ok := r.Context().Value(callerKey{}).(Caller)
	if !ok {
		return pxepilot.MAC{}, pxepilot.Errorf(pxepilot.Forbidden, "this server does not know machines by their connections; name the host in the URL (?host=NAME)")
	}
	return tell(r.Context())
}

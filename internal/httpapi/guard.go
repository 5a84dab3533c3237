package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A guard keeps web pages from driving machines through the browser of somebody
// who can reach the server, for the API asks for no password. A page of another
// origin is told by the browser itself. A page whose name was made to resolve to
// the server (DNS rebinding) is of the same origin for the browser; it is told by
// the Host header, which still is the page's name.
type guard struct {
	names        map[string]bool // always allowed
	allowedHosts func() []string
	crossOrigin  *http.CrossOriginProtection
}

func newGuard(hostname string, allowedHosts func() []string) guard {
	names := map[string]bool{"localhost": true}
	if full := normalHost(hostname); full != "" {
		short, _, _ := strings.Cut(full, ".")
		names[full], names[short] = true, true
	}
	if allowedHosts == nil {
		allowedHosts = func() []string { return nil }
	}
	return guard{names, allowedHosts, http.NewCrossOriginProtection()}
}

func (g guard) check(r *http.Request) error {
	if !g.knows(r) {
		// The machine's own name is not told: whoever reads this may be the page.
		return pxepilot.Errorf(pxepilot.Forbidden,
			"this server does not answer as %s; ask it by its address or its machine's name, or add the name to allowed_hosts under server in its configuration file",
			pxepilot.Quote(r.Host))
	}
	if err := g.crossOrigin.Check(r); err != nil {
		return pxepilot.Errorf(pxepilot.Forbidden, "a web page of another origin may not change anything here; ask without a browser").Because(err)
	}
	return nil
}

func (g guard) knows(r *http.Request) bool {
	if r.Host == "" {
		// HTTP/1.0 needs no Host (RFC 9112, section 3.2), and the boot stages and
		// installers that still speak it are no browsers, which always send one.
		return !r.ProtoAtLeast(1, 1)
	}
	host := normalHost(r.Host)
	if _, err := netip.ParseAddr(host); err == nil || g.names[host] {
		return true // an address cannot be made to resolve to another
	}
	for _, allowed := range g.allowedHosts() {
		if host != "" && host == normalHost(allowed) {
			return true
		}
	}
	return false
}

// normalHost is the host of a Host header: lower case, without port, brackets
// and the dot at the end.
func normalHost(host string) string {
	if h, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = h
	} else if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

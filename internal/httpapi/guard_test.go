package httpapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHost(t *testing.T) {
	l, _ := newSeed(t) // on boot.lan.example, with pxe.example.net allowed
	for _, tt := range []struct {
		host string
		ok   bool
	}{
		{"localhost", true},
		{"localhost:3478", true},
		{"LocalHost.:3478", true},
		{"127.0.0.1:3478", true},
		{"10.1.2.3", true},
		{"10.1.2.3.", true},
		{"[::1]", true},
		{"[::1]:3478", true},
		{"[fe80::1%25eth0]:3478", true},
		{"[2001:db8::1]:80", true},
		{"boot.lan.example", true},
		{"BOOT.lan.example.:3478", true},
		{"boot", true},
		{"boot:3478", true},
		{"pxe.example.net", true},
		{"PXE.Example.Net.:443", true},
		{"evil.example", false},
		{"evil.example:3478", false},
		{"localhost.evil.example", false},
		{"boot.evil.example", false},
		{"lan.example", false},
		{"pxe.example.net.evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"[::1].evil.example", false},
		{"127.1", false},
		{"0x7f.0.0.1", false},
		{"2130706433", false},
		{".", false},
		{":3478", false},
		{"localhost:evil", false},
		{"localhost@evil.example", false},
		{"", false}, // of HTTP/1.1
	} {
		for _, target := range []string{"/v1/hosts", "/v1/healthcheck", "/v1/nothing"} {
			got := l.ask("GET", target, "", "Host: "+tt.host)
			if ok := got.StatusCode != http.StatusForbidden; ok != tt.ok {
				t.Errorf("Host %q, %s: %d", tt.host, target, got.StatusCode)
			}
			if !tt.ok && (!strings.Contains(got.message(t), "allowed_hosts") || strings.Contains(got.message(t), "lan.example") && !strings.Contains(tt.host, "lan.example")) {
				t.Errorf("Host %q: %s", tt.host, got.message(t))
			}
		}
	}
}

func TestHostOfHTTP10(t *testing.T) {
	l, _ := newSeed(t)
	for _, tt := range []struct {
		host   string
		status int
	}{{"", 200}, {"localhost", 200}, {"evil.example", 403}} {
		r := httptest.NewRequest("GET", "/v1/hosts", nil)
		r.Proto, r.ProtoMinor, r.Host = "HTTP/1.0", 0, tt.host
		if got := l.send(r, ""); got.StatusCode != tt.status {
			t.Errorf("Host %q: %d", tt.host, got.StatusCode)
		}
	}
}

// A reload takes effect at once, and a site without names allows none.
func TestAllowedHostsAreTheCurrentOnes(t *testing.T) {
	var allowed []string
	g := newGuard("", func() []string { return allowed })
	r := httptest.NewRequest("GET", "/v1/hosts", nil)
	r.Host = "pxe.example.net:3478"
	if g.knows(r) {
		t.Error("allowed before")
	}
	allowed = []string{"other", "PXE.example.net."}
	if !g.knows(r) {
		t.Error("not allowed after")
	}
	allowed = []string{""}
	for _, host := range []string{".", ":3478", "[]", "."} {
		if r.Host = host; g.knows(r) {
			t.Errorf("%q is allowed", host)
		}
	}
	if none := newGuard("", nil); none.knows(r) {
		t.Error("allowed by nobody")
	}
}

func TestBrowsers(t *testing.T) {
	const body = `{"hosts":[{"name":"h1"}]}`
	for _, tt := range []struct {
		name    string
		method  string
		headers []string
		status  int
	}{
		{"curl", "PUT", nil, 204},
		{"page of another site", "PUT", []string{"Sec-Fetch-Site: cross-site", "Origin: http://evil.example"}, 403},
		{"page of a sibling", "PUT", []string{"Sec-Fetch-Site: same-site", "Origin: http://other.example"}, 403},
		{"own page", "PUT", []string{"Sec-Fetch-Site: same-origin", "Origin: http://localhost:3478"}, 204},
		{"typed by hand", "PUT", []string{"Sec-Fetch-Site: none"}, 204},
		{"old browser", "PUT", []string{"Origin: http://evil.example"}, 403},
		{"old browser, opaque origin", "PUT", []string{"Origin: null"}, 403},
		{"old browser, own page", "PUT", []string{"Origin: http://localhost:3478"}, 204},
		{"own page by another port", "PUT", []string{"Origin: http://localhost:8080"}, 403},
	} {
		l, root := newSeed(t)
		got := l.ask(tt.method, "/v1/configurations/local/deploy", body, tt.headers...)
		if got.StatusCode != tt.status {
			t.Errorf("%s: %d %s", tt.name, got.StatusCode, got.body)
		}
		if tt.status == 403 && (root.changes > 0 || !strings.Contains(got.message(t), "another origin")) {
			t.Errorf("%s: %s, %d changes", tt.name, got.message(t), root.changes)
		}
	}
	// Nothing that a browser asks lets the page of another origin read or send more.
	l, _ := newSeed(t)
	for _, method := range []string{"GET", "OPTIONS"} {
		got := l.ask(method, "/v1/hosts", "", "Origin: http://evil.example", "Access-Control-Request-Method: PUT")
		for name := range got.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s answers %s", method, name)
			}
		}
	}
}

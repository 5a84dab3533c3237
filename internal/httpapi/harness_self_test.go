package httpapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A spy collects what a test would fail with.
type spy struct {
	testing.TB
	said []string
}

func (s *spy) Helper()                      {}
func (s *spy) Errorf(f string, args ...any) { s.said = append(s.said, fmt.Sprintf(f, args...)) }

// The harness is worth something only if it sees what is wrong.
func TestHarnessSees(t *testing.T) {
	const id = "X-Request-Id: 0123456789abcdef"
	for _, tt := range []struct {
		method, target, sent string
		status               int
		body                 string
		headers              []string
		want                 string // empty: nothing is wrong
	}{
		{"GET", "/v1/hosts", "", 200, `[` + h1 + `]`, []string{id, "Content-Type: application/json"}, ""},
		{"GET", "/v1/hosts", "", 200, `[` + h1 + `]`, []string{"Content-Type: application/json"}, "X-Request-Id"},
		{"GET", "/v1/hosts", "", 200, `[` + h1 + `]`, []string{id, "Content-Type: text/plain"}, "Content-Type"},
		{"GET", "/v1/hosts", "", 200, `[{"name":"h1"}]`, []string{id, "Content-Type: application/json"}, `"macAddresses" is missing`},
		{"GET", "/v1/hosts", "", 200, strings.Replace("["+h1+"]", `"none"`, `"nothing"`, 1), []string{id, "Content-Type: application/json"}, "state"},
		{"GET", "/v1/hosts", "", 200, strings.Replace("["+h1+"]", `"name"`, `"password":"x","name"`, 1), []string{id, "Content-Type: application/json"}, "password"},
		{"GET", "/v1/hosts/h1", "", 200, strings.Replace(h1, `:null`, `:"local"`, 1), []string{id, "Content-Type: application/json"}, "configuration"},
		{"GET", "/v1/hosts?sort=name", "", 200, `[]`, []string{id, "Content-Type: application/json"}, "sort"},
		{"GET", "/v1/hosts", "", 418, `{"message":"x"}`, []string{id, "Content-Type: application/json"}, "status"},
		{"GET", "/v1/hosts", "", 503, `{"message":"x"}`, []string{id, "Content-Type: application/json"}, "Retry-After"},
		{"GET", "/v1/hosts", "", 500, `{"message":"a\nb"}`, []string{id, "Content-Type: application/json"}, "one clear line"},
		{"GET", "/v1/hosts", "", 500, `{"error":"x"}`, []string{id, "Content-Type: application/json"}, "error"},
		{"PUT", "/v1/clear", `{"host":[]}`, 200, `{"hosts":[]}`, []string{id, "Content-Type: application/json"}, "against the contract"},
		{"PUT", "/v1/hosts", "", 405, `{"message":"x"}`, []string{id, "Content-Type: application/json"}, "Allow"},
		{"GET", "/v1/secrets", "", 200, `{}`, []string{id, "Content-Type: application/json"}, "not in the contract"},
		{"GET", "/v1/secrets", "", 404, `404 page not found`, []string{id, "Content-Type: text/plain"}, "not JSON"},
	} {
		s := &spy{TB: t}
		l := newLab(s, nil)
		l.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for _, h := range tt.headers {
				name, value, _ := strings.Cut(h, ": ")
				w.Header().Set(name, value)
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(tt.body)))
			w.WriteHeader(tt.status)
			_, _ = w.Write([]byte(tt.body))
		})
		l.ask(tt.method, tt.target, tt.sent)
		said := strings.Join(s.said, "\n")
		if (tt.want == "") != (said == "") || !strings.Contains(strings.ToLower(said), strings.ToLower(tt.want)) {
			t.Errorf("%s %s %d %s: it says %q, want %q", tt.method, tt.target, tt.status, tt.body, said, tt.want)
		}
	}
}

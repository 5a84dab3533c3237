package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// Every bad input gets one clear line, the right status, and changes nothing.
func TestBadInput(t *testing.T) {
	const deploy = "/v1/configurations/local/deploy"
	long := strings.Repeat("n", 10_000)
	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		want                       string // in the message
	}{
		{"unknown configuration", "PUT", "/v1/configurations/locla/deploy", `{"hosts":[{"name":"h1"}]}`, 404, `configuration "locla" not found; did you mean local?`},
		{"unknown host", "PUT", deploy, `{"hosts":[{"name":"h4"}]}`, 404, `host "h4" not found; did you mean h1 or h2 or h3?`},
		{"one unknown host among known ones", "PUT", deploy, `{"hosts":[{"name":"h1"},{"name":"x9"}]}`, 404, `host "x9" not found`},
		{"unknown MAC", "PUT", deploy, `{"hosts":[{"mac_address":"83:06:0a:00:cf:03"}]}`, 404, "no host has the MAC address 83:06:0a:00:cf:03"},
		{"not a MAC", "PUT", deploy, `{"hosts":[{"mac_address":"83:06"}]}`, 400, `host 1 of the list: "83:06" is not a MAC address`},
		{"neither name nor MAC", "PUT", deploy, `{"hosts":[{"name":"h1"},{}]}`, 400, "host 2 of the list has neither"},
		{"malformed", "PUT", deploy, "{\n  \"hosts\": [{\"name\": \"h1\"}\n}", 400, `line 3, column 1: the body is not JSON: want a "," or a "]", found '}'`},
		{"trailing data", "PUT", deploy, `{"hosts":[{"name":"h1"}]} x`, 400, `line 1, column 27: the body is not JSON: want the end of the body, found 'x'`},
		{"two values", "PUT", deploy, `{"hosts":[{"name":"h1"}]}{}`, 400, "line 1, column 26"},
		{"empty body", "PUT", deploy, "", 400, "the body is empty"},
		{"blank body", "PUT", deploy, " \r\n\t", 400, "the body is empty"},
		{"form", "PUT", deploy, "hosts=h1", 400, "line 1, column 1: the body is not JSON: want an object, found 'h'"},
		{"array", "PUT", deploy, `[]`, 400, "line 1, column 1: the body is an array; want an object"},
		{"no hosts", "PUT", deploy, `{}`, 400, "no host was named"},
		{"empty host list", "PUT", deploy, `{"hosts":[]}`, 400, "no host was named"},
		{"hosts as a string", "PUT", deploy, `{"hosts":"h1"}`, 400, "line 1, column 10: hosts is a string; want an array"},
		{"host as a string", "PUT", deploy, `{"hosts":["h1"]}`, 400, "hosts[0] is a string; want an object"},
		{"name as a number", "PUT", deploy, "{\"hosts\":[{\"name\":\"h1\"},\n{\"name\":12}]}", 400, "line 2, column 9: hosts[1].name is a number; want a string"},
		{"null", "PUT", deploy, `{"hosts":null}`, 400, "hosts is null; want an array, or leave it out"},
		{"flag as a string", "PUT", deploy, `{"hosts":[{"name":"h1"}],"dryRun":"yes"}`, 400, "dryRun is a string; want true or false"},
		{"unknown field", "PUT", deploy, `{"host":[{"name":"h1"}]}`, 400, `line 1, column 2: unknown field "host"; did you mean hosts?`},
		{"field in another case", "PUT", deploy, `{"Hosts":[{"name":"h1"}]}`, 400, `unknown field "Hosts"; did you mean hosts?`},
		{"unknown field of a host", "PUT", deploy, `{"hosts":[{"name":"h1","password":"hunter2"}]}`, 400, `line 1, column 24: unknown field "password" of hosts[0]; known here: name, mac_address, macAddress, reboot`},
		{"field of another call", "PUT", deploy, `{"all":true}`, 400, `unknown field "all"`},
		{"reboot as a string", "PUT", deploy, `{"hosts":[{"name":"h1","reboot":"yes"}]}`, 400, "line 1, column 33: hosts[0].reboot is a string; want true or false"},
		{"reboot as null", "PUT", deploy, `{"hosts":[{"name":"h1","reboot":null}]}`, 400, "hosts[0].reboot is null; want true or false, or leave it out"},
		{"reboot of clear", "PUT", "/v1/clear", `{"hosts":[{"name":"h1","reboot":true}]}`, 400, `unknown field "reboot" of hosts[0]; known here: name, mac_address, macAddress`},
		{"reboot of repair", "PUT", "/v1/repair", `{"hosts":[{"name":"h1","reboot":true}]}`, 400, `unknown field "reboot"`},
		{"reboot of the whole", "PUT", deploy, `{"hosts":[{"name":"h1"}],"reboot":true}`, 400, `unknown field "reboot"; known here: hosts,`},
		{"allAtOnce of a host", "PUT", deploy, `{"hosts":[{"name":"h1","allAtOnce":true}]}`, 400, `unknown field "allAtOnce" of hosts[0]`},
		{"allAtOnce as a number", "PUT", deploy, `{"hosts":[{"name":"h1"}],"allAtOnce":1}`, 400, "allAtOnce is a number; want true or false"},
		{"allAtOnce of clear", "PUT", "/v1/clear", `{"hosts":[{"name":"h1"}],"allAtOnce":true}`, 400, `unknown field "allAtOnce"`},
		{"field twice", "PUT", deploy, `{"hosts":[{"name":"h1"}],"hosts":[{"name":"h2"}]}`, 400, `line 1, column 26: the field "hosts" stands twice`},
		{"field of a host twice", "PUT", deploy, `{"hosts":[{"name":"h1","name":"h2"}]}`, 400, `the field "name" of hosts[0] stands twice`},
		{"host twice", "PUT", deploy, `{"hosts":[{"name":"h1"},{"name":"h1"}]}`, 409, `host "h1" is named twice`},
		{"host twice, by name and MAC", "PUT", deploy, `{"hosts":[{"name":"h1"},{"macAddress":"000000000001"}]}`, 409, `host "h1" is named twice`},
		{"name and MAC disagree", "PUT", deploy, `{"hosts":[{"name":"h1","mac_address":"00:00:00:00:00:02"}]}`, 409, `host "h1" does not have the MAC address`},
		{"two MACs", "PUT", deploy, `{"hosts":[{"mac_address":"00:00:00:00:00:01","macAddress":"00:00:00:00:00:02"}]}`, 409, "mac_address and macAddress mean the same"},
		{"all and some", "PUT", "/v1/repair", `{"all":true,"hosts":[{"name":"h1"}]}`, 409, "leave one out"},
		{"all of clear", "PUT", "/v1/clear", `{"all":true}`, 400, `unknown field "all"`},
		{"dropUncovered of clear", "PUT", "/v1/clear", `{"hosts":[{"name":"h1"}],"dropUncovered":true}`, 400, `unknown field "dropUncovered"`},
		{"invalid UTF-8", "PUT", deploy, "{\"hosts\":[{\"name\":\"h\xff\"}]}", 400, "line 1, column 19: the string is not UTF-8"},
		{"control characters in a name", "PUT", deploy, `{"hosts":[{"name":"h1\u001b[2J"}]}`, 400, `host 1 of the list: the name "h1\x1b[2J" contains a control character`},
		{"newline in a string", "PUT", deploy, "{\"hosts\":[{\"name\":\"h\n1\"}]}", 400, `a control character stands in a string; write it as \u000a`},
		{"path as a host", "PUT", deploy, `{"hosts":[{"name":"../h1"}]}`, 400, "contains a slash"},
		{"long host", "PUT", deploy, `{"hosts":[{"name":"` + long + `"}]}`, 400, "is longer than 255 bytes"},
		{"regular file in the way", "PUT", deploy, `{"hosts":[{"name":"h1"}]}`, 409, "is not a link but somebody else's file"},

		{"slash in a configuration", "PUT", "/v1/configurations/a%2Fb/deploy", `{"hosts":[{"name":"h1"}]}`, 400, `configuration: the name "a/b" contains a slash`},
		{"slash in a configuration to show", "GET", "/v1/configurations/a%2Fb", "", 400, `the name "a/b" contains a slash`},
		{"slash in a host", "GET", "/v1/hosts/..%2Fh1", "", 400, `host: the name "../h1" contains a slash`},
		{"a slash alone", "GET", "/v1/hosts/%2F", "", 404, `there is no "/v1/hosts/%2F"`},
		{"dots in a configuration", "GET", "/v1/configurations/%2e%2E", "", 400, `the name ".." is a directory's`},
		{"dots to deploy", "PUT", "/v1/configurations/%2e%2e/deploy", `{"hosts":[{"name":"h1"}]}`, 400, `the name ".." is a directory's`},
		{"dots", "GET", "/v1/hosts/../hosts", "", 404, `there is no "/v1/hosts/../hosts"`},
		{"dots at the end", "GET", "/v1/hosts/..", "", 404, `there is no "/v1/hosts/.."`},
		{"double slash", "GET", "/v1//hosts", "", 404, `there is no "/v1//hosts"`},
		{"double slash of a deploy", "PUT", "/v1/configurations//deploy", `{"hosts":[{"name":"h1"}]}`, 404, `there is no "/v1/configurations//deploy"`},
		{"encoded twice", "GET", "/v1/hosts/%252e%252e", "", 404, `host "%2e%2e" not found`},
		{"NUL", "GET", "/v1/hosts/h1%00", "", 400, `the name "h1\x00" contains a control character`},
		{"newline", "GET", "/v1/configurations/local%0A", "", 400, `the name "local\n" begins or ends with space`},
		{"newline within", "GET", "/v1/configurations/lo%0Acal", "", 400, `the name "lo\ncal" contains a control character`},
		{"invalid UTF-8 in a name", "GET", "/v1/hosts/%ff", "", 400, `the name "\xff" is not UTF-8`},
		{"long name", "GET", "/v1/hosts/" + long, "", 400, "is longer than 255 bytes"},
		{"long configuration", "PUT", "/v1/configurations/" + long + "/deploy", `{"hosts":[{"name":"h1"}]}`, 400, "is longer than 255 bytes"},
		{"long path", "GET", "/" + long, "", 404, "there is no"},
		{"unknown host to show", "GET", "/v1/hosts/h9", "", 404, `host "h9" not found; did you mean h1 or h2 or h3?`},
		{"unknown configuration to show", "GET", "/v1/configurations/lcal", "", 404, "did you mean local?"},
		{"no such path", "GET", "/v1/host", "", 404, `there is no "/v1/host"; did you mean /v1/hosts; /v1/openapi.yaml tells the paths`},
		{"slash at the end", "GET", "/v1/hosts/", "", 404, `there is no "/v1/hosts/"`},
		{"the top", "GET", "/", "", 404, `there is no "/"`},
		{"unknown query parameter", "GET", "/v1/hosts?statsu=false", "", 400, `unknown query parameter "statsu"; did you mean status?`},
		{"query where there is none", "PUT", deploy + "?dryRun=true", `{"hosts":[{"name":"h1"}]}`, 400, `unknown query parameter "dryRun"; none is known here`},
		{"status twice", "GET", "/v1/hosts?status=true&status=false", "", 400, `"status" stands twice`},
		{"status of another kind", "GET", "/v1/hosts?status=maybe", "", 400, `status is "maybe"; want true or false`},
		{"malformed query", "GET", "/v1/hosts?status=%zz", "", 400, "the query is malformed"},
		{"semicolon in the query", "GET", "/v1/hosts?status=true;x=1", "", 400, "the query is malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, root := newSeed(t)
			if strings.Contains(tt.name, "in the way") {
				root.state = map[string]pxepilot.State{"h1": pxepilot.Unmanaged}
			}
			got := l.ask(tt.method, tt.target, tt.body)
			if got.StatusCode != tt.status || !strings.Contains(got.message(t), tt.want) {
				t.Errorf("%d %q, want %d %q", got.StatusCode, got.message(t), tt.status, tt.want)
			}
			if root.changes > 0 {
				t.Error("something was changed")
			}
			if strings.Contains(l.log.String(), "hunter2") {
				t.Error("the log quotes a body")
			}
		})
	}
}

func TestMethods(t *testing.T) {
	l, root := newSeed(t)
	taken := map[string][]string{}
	for _, rt := range (&api{}).routes() {
		taken[rt.pattern] = append(taken[rt.pattern], rt.method)
	}
	for pattern, methods := range taken {
		methods = append(methods, "OPTIONS")
		if slices.Contains(methods, "GET") {
			methods = append(methods, "HEAD")
		}
		slices.Sort(methods)
		target, allow := strings.ReplaceAll(pattern, "{name}", "local"), strings.Join(methods, ", ")
		for _, method := range []string{"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} {
			if slices.Contains(methods, method) && method != "OPTIONS" {
				continue
			}
			got := l.ask(method, target, `{"hosts":[{"name":"h1"}]}`)
			want := http.StatusMethodNotAllowed
			if method == "OPTIONS" {
				want = http.StatusNoContent
			}
			if got.StatusCode != want || got.Header.Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q; want %d, %q", method, target, got.StatusCode, got.Header.Get("Allow"), want, allow)
			}
		}
	}
	if got := l.ask("POST", "/v1/hosts", "").message(t); got != `"/v1/hosts" does not take the method "POST"; it takes GET, HEAD, OPTIONS` {
		t.Errorf("got %q", got)
	}
	if got := l.ask("OPTIONS", "/v1/nothing", ""); got.StatusCode != http.StatusNotFound {
		t.Errorf("OPTIONS of an unknown path: %d", got.StatusCode)
	}
	if root.changes > 0 {
		t.Error("something was changed")
	}
}

// Each code has a status, and what is nobody's error is internal.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		want   string
		level  string
	}{
		{pxepilot.Errorf(pxepilot.NotFound, "n"), 404, "n", "INFO"},
		{pxepilot.Errorf(pxepilot.Invalid, "i"), 400, "i", "INFO"},
		{pxepilot.Errorf(pxepilot.Unprocessable, "u"), 422, "u", "INFO"},
		{pxepilot.Errorf(pxepilot.Forbidden, "f"), 403, "f", "INFO"},
		{pxepilot.Errorf(pxepilot.Unavailable, "v").Because(errors.New("flock 0x1")), 503, "v", "WARN"},
		{pxepilot.Errorf(pxepilot.Internal, "read-only file system"), 500, "read-only file system", "ERROR"},
		{pxepilot.Errorf(pxepilot.Unavailable, "two\nlines\x1b"), 503, "two lines ", "WARN"},
		{errors.New("open /etc/shadow: permission denied"), 500, "internal error; the server's log has the details as request ", "ERROR"},
		{errors.Join(errors.New("x"), pxepilot.Errorf(pxepilot.NotFound, "joined")), 404, "joined", "INFO"},
	} {
		l, root := newSeed(t)
		root.err = tt.err
		got := l.ask("GET", "/v1/configurations/local", "")
		id := got.Header.Get("X-Request-Id")
		if want := strings.Replace(tt.want, "as request ", "as request "+id, 1); got.StatusCode != tt.status || got.message(t) != want {
			t.Errorf("%v: %d %q", tt.err, got.StatusCode, got.message(t))
		}
		if again := got.Header.Get("Retry-After"); (again != "") != (tt.status == 503) {
			t.Errorf("%v: Retry-After %q", tt.err, again)
		}
		for _, part := range []string{`"request_id":"` + id + `"`, `"level":"` + tt.level + `"`} {
			if !strings.Contains(l.log.String(), part) {
				t.Errorf("%v: no %s in the log: %s", tt.err, part, l.log)
			}
		}
		if cause := errors.Unwrap(tt.err); cause != nil && !strings.Contains(l.log.String(), cause.Error()) {
			t.Errorf("%v: the cause is not in the log: %s", tt.err, l.log)
		}
		if tt.level == "ERROR" && tt.status == 500 && pxepilot.ErrorCode(tt.err) == pxepilot.Internal && !strings.Contains(l.log.String(), tt.err.Error()) {
			t.Errorf("%v is not in the log: %s", tt.err, l.log)
		}
	}
	var codes []pxepilot.Code
	for _, c := range []pxepilot.Code{pxepilot.Invalid, pxepilot.NotFound, pxepilot.Conflict, pxepilot.Unprocessable,
		pxepilot.Forbidden, pxepilot.TooLarge, pxepilot.Unavailable, pxepilot.Internal} {
		if statusOf[c] == 0 {
			codes = append(codes, c)
		}
	}
	if diff := cmp.Diff([]pxepilot.Code(nil), codes); diff != "" || len(statusOf) != 8 {
		t.Errorf("codes without a status: %s", diff)
	}
}

// Whatever the name, the answer is one clear line, and no unchecked name
// reaches the TFTP root (the harness and the root look).
func FuzzNames(f *testing.F) {
	for _, s := range []string{"local", "h1", "..", ".", "", "a/b", "\x00", "\n", "\xff", "%2e", "é", "\u202e", strings.Repeat("x", 300), "00:00:00:00:00:01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 20_000 {
			return
		}
		l, root := newSeed(t)
		escaped := url.PathEscape(name)
		for _, tt := range []struct{ method, target, body string }{
			{"GET", "/v1/configurations/" + escaped, ""},
			{"GET", "/v1/hosts/" + escaped, ""},
			{"GET", "/v1/configurations/local?bootloader=" + url.QueryEscape(name), ""},
			{"PUT", "/v1/configurations/" + escaped + "/deploy", `{"hosts":[{"name":"h1"}]}`},
		} {
			got := l.ask(tt.method, tt.target, tt.body)
			known := name == "local" || name == "ubuntu-16.04" || name == "grml-2017.05"
			if tt.method == "PUT" && !known && (got.StatusCode < 400 || root.changes > 0) {
				t.Errorf("%q was deployed: %d", name, got.StatusCode)
			}
			if s := got.StatusCode; s != 200 && s != 204 && s != 400 && s != 404 {
				t.Errorf("%s %s: %d", tt.method, tt.target, s)
			}
		}
	})
}

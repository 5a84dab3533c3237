package pxepilot_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

const password = "hunter2 is not a good one"

// holders are values that hold the same secret in the ways that code does.
func holders() map[string]any {
	s := pxepilot.NewSecret(password)
	type shown struct{ Password pxepilot.Secret }
	type kept struct{ password pxepilot.Secret }
	type deep struct {
		inner  kept
		list   []pxepilot.Secret
		byName map[string]pxepilot.Secret
		any    any
		to     *pxepilot.Secret
	}
	h := &pxepilot.Host{Name: "h2", IPMI: &pxepilot.IPMI{Credentials: pxepilot.Credentials{Username: "user", Password: s}}}
	return map[string]any{
		"secret":          s,
		"pointer":         &s,
		"field":           shown{s},
		"unexported":      kept{s},
		"pointer to it":   &kept{s},
		"deep":            deep{kept{s}, []pxepilot.Secret{s}, map[string]pxepilot.Secret{"a": s}, s, &s},
		"slice":           []pxepilot.Secret{s},
		"array":           [1]any{s},
		"map":             map[string]any{"password": s},
		"host":            h,
		"host by value":   *h,
		"IPMI":            *h.IPMI,
		"error":           fmt.Errorf("login with %v failed", s),
		"our error":       pxepilot.Errorf(pxepilot.Internal, "login with %s failed", s),
		"error and cause": pxepilot.Errorf(pxepilot.Internal, "failed").Because(fmt.Errorf("with %q", s)),
	}
}

func leaks(t *testing.T, how, text string) {
	t.Helper()
	if strings.Contains(text, password) || strings.Contains(text, "hunter2") || strings.Contains(text, fmt.Sprintf("%x", password)) ||
		strings.Contains(text, fmt.Sprintf("%X", password)) || strings.Contains(text, strings.Trim(fmt.Sprint([]byte(password)), "[]")) {
		t.Errorf("%s tells the secret: %s", how, text)
	}
}

func TestSecretIsNeverFormatted(t *testing.T) {
	for name, v := range holders() {
		for _, verb := range "vTtbcdoOqxXUeEfFgGspw" {
			for _, flag := range []string{"", "+", "#", "-", " ", "0", "30", ".3", "+#30.3"} {
				how := "%" + flag + string(verb)
				leaks(t, name+" by "+how, fmt.Sprintf(how, v))
			}
		}
		leaks(t, name+" by Sprint", fmt.Sprint(v, v))
		leaks(t, name+" by Sprintln", fmt.Sprintln(v))
	}
	s := pxepilot.NewSecret(password)
	for _, how := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(how, s); got != "***" {
			t.Errorf("%s gives %q, want ***", how, got)
		}
	}
}

func TestSecretIsNeverEncoded(t *testing.T) {
	for name, v := range holders() {
		// Not all of these can be encoded. What is told about that counts, too.
		encoded := func(how string, data []byte, err error) {
			leaks(t, name+" by "+how, string(data))
			leaks(t, name+" by the error of "+how, fmt.Sprint(err))
		}
		data, err := json.Marshal(v)
		encoded("encoding/json", data, err)
		data, err = xml.Marshal(v)
		encoded("encoding/xml", data, err)
		data, err = yamlMarshal(v)
		encoded("yaml", data, err)

		var b bytes.Buffer
		err = template.Must(template.New("").Parse(`{{.}} {{printf "%#v" .}} {{print .}} {{js .}}`)).Execute(&b, v)
		encoded("text/template", b.Bytes(), err)
		b.Reset()
		err = htmltemplate.Must(htmltemplate.New("").Parse(`<a title="{{.}}" onclick="f({{.}})">{{.}}</a>`)).Execute(&b, v)
		encoded("html/template", b.Bytes(), err)

		b.Reset()
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, slog.Any("w", []any{v}))
		encoded("log/slog", b.Bytes(), nil)
		encoded("go-cmp", []byte(diff(v)), nil)
	}
	data, err := json.Marshal(map[string]pxepilot.Secret{"password": pxepilot.NewSecret(password)})
	if err != nil || string(data) != `{"password":"***"}` {
		t.Errorf("%s, %v", data, err)
	}
	data, err = yaml.Marshal(map[string]pxepilot.Secret{"password": pxepilot.NewSecret(password)})
	if err != nil || strings.TrimSpace(string(data)) != `password: '***'` {
		t.Errorf("%s, %v", data, err)
	}
}

// yamlMarshal makes an error of the panic that the encoder answers a function
// in an unexported field with.
func yamlMarshal(v any) (data []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return yaml.Marshal(v)
}

// diff is what a failing test would print. go-cmp panics at unexported fields.
func diff(v any) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = fmt.Sprint(p)
		}
	}()
	return cmp.Diff(v, nil)
}

func TestSecretReveals(t *testing.T) {
	s := pxepilot.NewSecret(password)
	if s.Reveal() != password || !s.IsSet() {
		t.Errorf("Reveal gives %q, IsSet %t", s.Reveal(), s.IsSet())
	}
	var none pxepilot.Secret
	if none.Reveal() != "" || none.IsSet() || pxepilot.NewSecret("").IsSet() {
		t.Error("no secret is set")
	}
	if got := fmt.Sprint(none); got != "***" {
		t.Errorf("no secret prints %q: whether one is set is nobody's business", got)
	}
	if !s.Equal(pxepilot.NewSecret(password)) || s.Equal(none) || !none.Equal(pxepilot.NewSecret("")) {
		t.Error("Equal is wrong")
	}
	if err := pxepilot.Errorf(pxepilot.Invalid, "bad %s", s); err.Error() != "bad ***" || errors.Unwrap(err) != nil {
		t.Errorf("%v, %v", err, errors.Unwrap(err))
	}
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "PASSWD": true, "Passphrase": true, "db_pwd": true, "client_secret": true, "apiToken": true,
		"ssh_key": true, "credentials": true, "community": true, "SNMP_COMMUNITY": true,
		"": false, "outlet": false, "user": false, "ip_address": false, "common": false,
	} {
		if got := pxepilot.SecretName(name); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

package redfish_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// certificate makes one that signs itself, for 127.0.0.1.
func certificate(t *testing.T, until time.Time) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bmc"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// pemFile writes the certificate of a server as a file of authorities.
func pemFile(t *testing.T, s *redfishtest.Server) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.pem")
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func fingerprint(s *redfishtest.Server) string {
	return fmt.Sprintf("%x", sha256.Sum256(s.Certificate().Raw))
}

// colons writes it as openssl does.
func colons(sum string) string {
	var pairs []string
	for s := strings.ToUpper(sum); s != ""; s = s[2:] {
		pairs = append(pairs, s[:2])
	}
	return strings.Join(pairs, ":")
}

func TestTrust(t *testing.T) {
	mine := redfishtest.New(redfishtest.Options{})
	defer mine.Close()
	other := redfishtest.New(redfishtest.Options{Certificate: certificate(t, time.Now().Add(time.Hour))})
	defer other.Close()
	old := redfishtest.New(redfishtest.Options{Certificate: certificate(t, time.Now().Add(-time.Hour))})
	defer old.Close()
	plain := redfishtest.New(redfishtest.Options{Plain: true})
	defer plain.Close()
	byName := func(s *redfishtest.Server) string { return strings.Replace(s.URL(), "127.0.0.1", "localhost", 1) }

	for _, tt := range []struct {
		name    string
		options redfish.Options
		server  *redfishtest.Server
		want    string // what is said, empty where the service is believed
	}{
		{"the system's authorities", redfish.Options{URL: mine.URL()}, mine,
			"not from an authority that is known here; set redfish.ca_file, or redfish.fingerprint once you compared it (" + fingerprint(mine) + ")"},
		{"its own authority", redfish.Options{URL: mine.URL(), CAFile: pemFile(t, mine)}, mine, ""},
		{"another authority", redfish.Options{URL: mine.URL(), CAFile: pemFile(t, other)}, mine, "not from an authority"},
		{"another name", redfish.Options{URL: byName(mine), CAFile: pemFile(t, mine)}, mine, "its certificate is not for localhost"},
		{"out of date", redfish.Options{URL: old.URL(), CAFile: pemFile(t, old)}, old, "out of date, or the clock here is wrong"},
		{"fingerprint", redfish.Options{URL: mine.URL(), Fingerprint: fingerprint(mine)}, mine, ""},
		{"fingerprint with colons", redfish.Options{URL: mine.URL(), Fingerprint: " " + colons(fingerprint(mine)) + "\n"}, mine, ""},
		{"fingerprint of what is for another name", redfish.Options{URL: byName(mine), Fingerprint: fingerprint(mine)}, mine, ""},
		{"fingerprint of what is out of date", redfish.Options{URL: old.URL(), Fingerprint: fingerprint(old)}, old, ""},
		{"another fingerprint", redfish.Options{URL: mine.URL(), Fingerprint: fingerprint(other)}, mine,
			"its certificate has the fingerprint " + fingerprint(mine) + ", not that of redfish.fingerprint"},
		{"insecure", redfish.Options{URL: old.URL(), Insecure: true}, old, ""},
		{"no TLS", redfish.Options{URL: plain.URL(), Insecure: true}, plain, ""},
		{"TLS where there is none", redfish.Options{URL: strings.Replace(plain.URL(), "http:", "https:", 1)}, plain, "does not speak TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Name = "h2"
			c, err := redfish.New(tt.options)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			before := len(tt.server.Requests())
			_, err = c.State(t.Context())
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || pxepilot.ErrorCode(err) != pxepilot.Conflict {
				t.Errorf("%v; want an error that says %q", err, tt.want)
			}
			if n := len(tt.server.Requests()) - before; n != 0 {
				t.Errorf("%d requests were sent to a service that is not believed", n)
			}
		})
	}
}

func TestNewChecksItsOptions(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := hex.EncodeToString(make([]byte, 32))
	for _, tt := range []struct {
		options redfish.Options
		want    string // empty where nothing is wrong
	}{
		{redfish.Options{URL: "https://bmc"}, ""},
		{redfish.Options{URL: "https://bmc/"}, ""},
		{redfish.Options{URL: "https://bmc:8443/redfish/v1/"}, ""},
		{redfish.Options{URL: "https://[2001:db8::1]/redfish/v1"}, ""},
		{redfish.Options{URL: "http://bmc", Insecure: true}, ""},
		{redfish.Options{URL: "https://bmc", Fingerprint: sum}, ""},
		{redfish.Options{URL: "http://bmc"}, "in clear, which needs redfish.insecure: true"},
		{redfish.Options{URL: "bmc"}, "is not the URL of a service"},
		{redfish.Options{URL: "ftp://bmc", Insecure: true}, "is not the URL of a service"},
		{redfish.Options{URL: "https://:443"}, "is not the URL of a service"},
		{redfish.Options{URL: "https://user:hunter2@bmc"}, "go into redfish.username and redfish.password"},
		{redfish.Options{URL: "https://user:hunter2@bmc:x%zz"}, "is no URL"},
		{redfish.Options{URL: "https://bmc/console"}, "every service is below /redfish/v1/"},
		{redfish.Options{URL: "https://bmc?x=1"}, "every service is below /redfish/v1/"},
		{redfish.Options{URL: "https://bmc", Fingerprint: sum[2:]}, "is not a SHA-256 fingerprint"},
		{redfish.Options{URL: "https://bmc", Fingerprint: "sha1"}, "is not a SHA-256 fingerprint"},
		{redfish.Options{URL: "https://bmc", Fingerprint: sum, Insecure: true}, "exclude each other"},
		{redfish.Options{URL: "https://bmc", CAFile: empty, Fingerprint: sum}, "exclude each other"},
		{redfish.Options{URL: "https://bmc", CAFile: empty}, "holds no certificate in PEM form"},
		{redfish.Options{URL: "https://bmc", CAFile: empty + "x"}, "no such file"},
	} {
		tt.options.Name = "h2"
		_, err := redfish.New(tt.options)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.options.URL, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "host h2: ")):
			t.Errorf("%s: %v; want an error that says %q", tt.options.URL, err, tt.want)
		case err != nil && (pxepilot.ErrorCode(err) != pxepilot.Invalid || strings.Contains(err.Error(), "hunter2")):
			t.Errorf("%s: %v", tt.options.URL, err)
		}
	}
}

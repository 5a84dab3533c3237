package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot/client"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// certify writes a self-signed certificate of that serial number and its key
// into dir.
func certify(t *testing.T, dir string, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serial),
		Subject:               pkix.Name{CommonName: "pxe.example.net"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"server.key": {Type: "PRIVATE KEY", Bytes: secret},
		"server.pem": {Type: "CERTIFICATE", Bytes: der},
	} {
		lab.Write(t, filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// trusting is an HTTP client that trusts one certificate, and makes a connection
// for each request.
func trusting(cert *x509.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
}

// With server.tls the server speaks HTTPS only, and a renewed certificate is
// taken by itself; half of one changes nothing.
func TestTLS(t *testing.T) {
	host := lab.Hosts(1, 1)[0]
	site := newSite(t, host)
	dir := filepath.Dir(site.File)
	first := certify(t, dir, 1)
	site.Describe(t, site.Text(host)+"  tls: {certificate: server.pem, key: server.key}\n")
	server := site.Serve(t)
	if !strings.HasPrefix(server.URL, "https://127.0.0.1:") {
		t.Fatalf("the server is at %s", server.URL)
	}
	asks := func(cert *x509.Certificate) error {
		c, err := client.New(server.URL, client.WithHTTPClient(trusting(cert)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Hosts(t.Context())
		return err
	}
	if err := asks(first); err != nil {
		t.Error(err)
	}
	if got := ask(t, "GET", strings.Replace(server.URL, "https:", "http:", 1), ""); got.status != 400 {
		t.Errorf("without TLS: status %d", got.status)
	}
	stdout, stderr, status := lab.Output(t, lab.Program(), "-s", server.URL, "host", "list")
	if status != 5 || !strings.Contains(stderr, "certificate") {
		t.Errorf("whoever does not trust it: exit status %d\n%s%s", status, stdout, stderr)
	}

	mark := server.Mark()
	lab.Write(t, filepath.Join(dir, "server.pem"), lab.Read(t, filepath.Join(dir, "server.key")))
	server.WaitAfter(t, mark, notReloaded)
	if h, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/health", nil); err != nil {
		t.Fatal(err)
	} else if res, err := trusting(first).Do(h); err != nil {
		t.Error(err)
	} else if got := read(t, res); !strings.Contains(got.body, "server.tls") {
		t.Errorf("health with a broken certificate: %s", got.body)
	}

	second := certify(t, dir, 2)
	lab.Until(t, "the renewed certificate is served", func() bool { return asks(second) == nil })
	if asks(first) == nil {
		t.Error("the old certificate is still served")
	}

	// Without TLS in the file a certificate that was good serves on, until a restart.
	mark = server.Mark()
	site.Describe(t, site.Text(host))
	server.WaitAfter(t, mark, "server.tls was changed")
	if err := asks(second); err != nil && asks(first) != nil {
		t.Errorf("after server.tls was removed: %v", err)
	}
}

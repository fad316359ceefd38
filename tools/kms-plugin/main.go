// Command kms-plugin is a KMS v2 plugin for the test rig: keys in a folder, AES-GCM, a unix socket. It guards nothing in production.
//
//	kms-plugin --listen /run/kms.sock --keys DIR
//
// DIR holds NAME.key files of 32 bytes and a file `current` that names the key to encrypt with. Both are read anew for
// every call, so a key is rotated by writing a new NAME.key and then replacing `current`: the API server sees the new key
// id in the next Status. What an older key encrypted can be read for as long as its file is there.
// Protocol: KEP-3299 (KMS v2). SIGTERM and SIGINT end it with 0, and the socket is gone.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"k8s.io/kms/pkg/service"
)

const keyBytes = 32

// The API server refuses a key id of more than 1 KiB; here it is also the name of a file.
var keyName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// folder of keys; its path.
type folder string

func (f folder) current() (string, error) {
	text, err := os.ReadFile(filepath.Join(string(f), "current"))
	return strings.TrimSpace(string(text)), err
}

// seal is the cipher of the named key.
func (f folder) seal(name string) (cipher.AEAD, error) {
	if !keyName.MatchString(name) {
		return nil, fmt.Errorf("%q is not the name of a key", name)
	}
	key, err := os.ReadFile(filepath.Join(string(f), name+".key"))
	if err != nil {
		return nil, err
	}
	if len(key) != keyBytes {
		return nil, fmt.Errorf("%s.key holds %d bytes, not %d", name, len(key), keyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Status names the current key, and is an error when that key can't be used.
func (f folder) Status(context.Context) (*service.StatusResponse, error) {
	name, err := f.current()
	if err != nil {
		return nil, err
	}
	if _, err := f.seal(name); err != nil {
		return nil, err
	}
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: name}, nil
}

// Encrypt with the current key; its name is authenticated too.
func (f folder) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	name, err := f.current()
	if err != nil {
		return nil, err
	}
	seal, err := f.seal(name)
	if err != nil {
		return nil, err
	}
	return &service.EncryptResponse{Ciphertext: seal.Seal(nil, nil, data, []byte(name)), KeyID: name}, nil
}

// Decrypt with the key that the request names.
func (f folder) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	seal, err := f.seal(request.KeyID)
	if err != nil {
		return nil, err
	}
	return seal.Open(nil, nil, request.Ciphertext, []byte(request.KeyID))
}

func main() {
	listen := flag.String("listen", "", "path of the unix socket")
	keys := flag.String("keys", "", "folder of NAME.key files and the file `current`")
	flag.Parse()
	if *listen == "" || *keys == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*listen, folder(*keys)); err != nil {
		fmt.Fprintf(os.Stderr, "kms-plugin: %v\n", err)
		os.Exit(1)
	}
}

func serve(listen string, keys folder) error {
	if _, err := keys.Status(context.Background()); err != nil {
		return err
	}
	if err := free(listen); err != nil {
		return err
	}
	syscall.Umask(0o077) // whoever may connect may decrypt
	server := service.NewGRPCService(listen, 10*time.Second, keys)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	select {
	case err := <-ended:
		return err
	case <-stop:
	}
	go func() { // an API server may keep its stream open
		time.Sleep(2 * time.Second)
		server.Close()
	}()
	server.Shutdown()
	return <-ended
}

// free removes a socket that a killed plugin left; one that answers is somebody's.
func free(listen string) error {
	connection, err := net.DialTimeout("unix", listen, time.Second)
	if err == nil {
		connection.Close()
		return fmt.Errorf("%s is in use", listen)
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return os.Remove(listen)
	}
	return nil
}

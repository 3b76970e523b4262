#!/usr/bin/env bash
# A Vulkan driver that computes on the CPU, for testing the engine webgpu on a Debian machine without a GPU: SwiftShader, out of Debian's
# chromium-common, unpacked into a folder of its own (the package would bring a browser's dependencies). Prints the environment that
# selects it: eval "$(scripts/software-vulkan.sh)". Debian 12's own driver, lavapipe of Mesa 22, is too old for WebGPU.
set -euo pipefail
folder=${1:-/tmp/marquee-swiftshader}
icd=$folder/usr/lib/chromium/vk_swiftshader_icd.json

install() {
  apt-get update -q
  apt-get install -qy --no-install-recommends libvulkan1
  [ -e "$icd" ] && return
  local download
  download=$(mktemp -d)
  (cd "$download" && apt-get download -q chromium-common)
  mkdir -p "$folder"
  dpkg --fsys-tarfile "$download"/chromium-common_*.deb |
    tar -x -C "$folder" --wildcards '*/libvk_swiftshader.so' '*/vk_swiftshader_icd.json'
  rm -r "$download"
}

install >&2
echo "export VK_ICD_FILENAMES=$icd"

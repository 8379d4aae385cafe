'use strict';
// Reads an Azure Blob storage with Microsoft's own client.
//   azure.js URL KEY make               makes the container
//   azure.js URL KEY list               prints a JSON line for each blob: its name and size
//   azure.js URL KEY get NAME FILE      copies a blob into a file

const { ContainerClient, StorageSharedKeyCredential } = require('@azure/storage-blob');

const [url, key, verb, name, file] = process.argv.slice(2);
const account = new URL(url).pathname.split('/')[1];
const container = new ContainerClient(url, new StorageSharedKeyCredential(account, key));

async function main() {
  if (verb === 'make') {
    await container.create();
  } else if (verb === 'list') {
    // Blobs with uncommitted blocks are listed too.
    for await (const blob of container.listBlobsFlat({ includeUncommitedBlobs: true })) {
      const { contentLength } = blob.properties;
      process.stdout.write(`${JSON.stringify({ name: blob.name, size: contentLength })}\n`);
    }
  } else if (verb === 'get') {
    await container.getBlobClient(name).downloadToFile(file);
  } else {
    throw new Error(`unknown order ${verb}`);
  }
}

main().catch((err) => {
  process.stderr.write(`${err.message}\n`);
  process.exit(1);
});

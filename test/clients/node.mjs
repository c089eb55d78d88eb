// The five operations and a resume with the Node.js driver: MONGODB_ATLAS_URL and DATABASE say where.
import { createRequire } from 'node:module';
import { once } from 'node:events';

const { MongoClient } = createRequire(process.env.NODE_MODULES + '/')('mongodb');
const client = await MongoClient.connect(process.env.MONGODB_ATLAS_URL, { serverSelectionTimeoutMS: 5000 });
const accounts = client.db(process.env.DATABASE).collection('accounts');

const events = [];
const stream = accounts.watch([], { fullDocument: 'updateLookup' });
const six = new Promise((resolve, reject) => {
  stream.on('error', reject);
  stream.on('change', event => events.push(event) === 6 && resolve());
});
await once(stream, 'resumeTokenChanged'); // the stream is open
await accounts.insertOne({ _id: 1, n: 1 });
await accounts.updateOne({ _id: 1 }, { $inc: { n: 1 } });
await accounts.replaceOne({ _id: 1 }, { replaced: true });
await accounts.deleteOne({ _id: 1 });
await accounts.insertMany([{ _id: 2 }, { _id: 3 }]);
await six;
console.log('events:', ...events.map(event => event.operationType));
for (const event of events.slice(0, 3)) // wallTime is 6.0's, collectionUUID is 8.2.0's
  console.log(Object.keys(event).filter(field => !['wallTime', 'collectionUUID'].includes(field)).join(' '));
console.log('set:', JSON.stringify(events[1].updateDescription.updatedFields));
await stream.close();

const resumed = accounts.watch([], { resumeAfter: events[1]._id });
console.log('resumed:', ...[(await resumed.next()).operationType, (await resumed.next()).operationType]);
await resumed.close();

if (process.env.TEST_SANDBOX)
  await client.withSession(session => session.withTransaction(() => accounts.insertOne({ _id: 9 }, { session })))
    .catch(error => console.log('transaction:', error.message));

console.log('found:', (await accounts.find({}).sort({ _id: -1 }).toArray()).map(document => document._id).join(' '));
await client.db('admin').command({ nonsense: 1 }).catch(error => console.log('nonsense:', error.code));
await client.db(process.env.DATABASE).dropDatabase();
await client.close();

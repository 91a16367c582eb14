import { Bag, type Bagged } from '../../src/base/bag';

interface Item extends Bagged {
  readonly name: string;
}

const itemOf = (name: string): Item => ({ name, place: -1 });

function namesIn(bag: Bag<Item>): string[] {
  return bag.items.map(({ name }) => name).sort();
}

it('holds each item once', () => {
  const bag = new Bag<Item>();
  const item = itemOf('a');
  bag.add(item);
  bag.add(item);
  expect(bag.size).toBe(1);
  bag.delete(item);
  bag.delete(item);
  expect(bag.size).toBe(0);
});

it('holds what a Set holds after any adding and deleting', () => {
  const items = Array.from({ length: 20 }, (_, i) => itemOf(String(i)));
  const bag = new Bag<Item>();
  const set = new Set<Item>();
  // A linear congruential generator: the same steps in each run.
  let random = 1;
  for (let step = 0; step < 2000; step += 1) {
    random = (random * 1_103_515_245 + 12_345) % 2 ** 31;
    const item = items[random % items.length] ?? items[0];
    if (!item) throw new Error('there are items');
    const of: Pick<Bag<Item>, 'add' | 'delete'>[] = [bag, { add: (one) => set.add(one), delete: (one) => set.delete(one) }];
    for (const one of of) one[random % 3 === 0 ? 'add' : 'delete'](item);
    expect(bag.has(item)).toBe(set.has(item));
    expect(namesIn(bag)).toEqual([...set].map(({ name }) => name).sort());
  }
});

it('gives its items as they were, whatever is deleted meanwhile', () => {
  const bag = new Bag<Item>();
  for (const name of ['a', 'b', 'c']) bag.add(itemOf(name));
  const seen = bag.items.map((item) => {
    bag.delete(item);
    return item.name;
  });
  expect(seen).toEqual(['a', 'b', 'c']);
  expect(bag.size).toBe(0);
});

it('has nothing to do with items of another bag', () => {
  const [one, other] = [new Bag<Item>(), new Bag<Item>()];
  const items = ['a', 'b'].map(itemOf);
  for (const item of items) one.add(item);
  other.add(itemOf('c'));
  for (const item of items) other.delete(item);
  expect([namesIn(one), namesIn(other), items.map((item) => other.has(item))]).toEqual([['a', 'b'], ['c'], [false, false]]);
});

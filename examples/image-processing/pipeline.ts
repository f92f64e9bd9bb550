/** The DAG of eleven functions, with the cost of each. They need 23 cpus in total, and still run on a node of 8. */
// In a project of your own: from 'handoffjs'.
import { Dag, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

/**
 * @param paths the photographs
 * @param output the folder to write to
 * @param desk the node that reads and writes files, if not every node has them
 */
export function imagePipeline(paths: readonly string[], output: string, desk?: string): Dag {
  const atDesk = desk === undefined ? {} : { node: desk };
  const effects = ['grayscale_effect', 'sepia_effect', 'blur_effect', 'edge_detection'];
  return new Dag('image-processing')
    .add({ id: 'load_images', code: t.loadImages, extraArgs: [paths], ...atDesk, cost: { cpu: 1, memory: 500 } })
    .add({
      id: 'resize_images',
      code: t.resizeImages,
      args: ['load_images'],
      extraArgs: [800, 600],
      cost: { cpu: 2, memory: 1000 },
    })
    .add({ id: 'grayscale_effect', code: t.grayscale, args: ['resize_images'], cost: { cpu: 2, memory: 800 } })
    .add({ id: 'sepia_effect', code: t.sepia, args: ['resize_images'], cost: { cpu: 2, memory: 800 } })
    .add({ id: 'blur_effect', code: t.blur, args: ['resize_images'], extraArgs: [5], cost: { cpu: 3, memory: 1200 } })
    .add({ id: 'edge_detection', code: t.detectEdges, args: ['resize_images'], cost: { cpu: 2, memory: 1500, gpu: 1 } })
    .add({
      id: 'create_thumbnails',
      code: t.createThumbnails,
      args: ['resize_images'],
      extraArgs: [150],
      cost: { cpu: 1, memory: 500 },
    })
    .add({ id: 'quality_report', code: t.assessQuality, args: effects, cost: { cpu: 4, memory: 2000 } })
    .add({
      id: 'create_collage',
      code: t.createCollage,
      args: effects,
      extraArgs: [{ width: 1600, height: 1200 }],
      cost: { cpu: 4, memory: 4000 },
    })
    .add({
      id: 'save_thumbnails',
      code: t.saveThumbnails,
      args: ['create_thumbnails'],
      extraArgs: [output],
      ...atDesk,
      cost: { cpu: 1, memory: 500 },
    })
    .add({
      id: 'save_collage',
      code: t.saveImage,
      args: ['create_collage'],
      extraArgs: [`${output}/collage.jpg`],
      ...atDesk,
      cost: { cpu: 1, memory: 500 },
    });
}

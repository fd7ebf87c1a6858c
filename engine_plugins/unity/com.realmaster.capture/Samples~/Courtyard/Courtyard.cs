using UnityEngine;

namespace RealMaster.Samples
{
    /// <summary>Add this to an empty object in an empty scene and press Play: a courtyard, and a camera that circles it.</summary>
    public sealed class Courtyard : MonoBehaviour
    {
        public ComputeShader buffers;
        private Transform eye;

        private void Start()
        {
            GameObject.CreatePrimitive(PrimitiveType.Plane).transform.localScale = new Vector3(4, 1, 4);
            for (int i = 0; i < 12; i++)
            {
                Transform pillar = GameObject.CreatePrimitive(PrimitiveType.Cylinder).transform;
                pillar.position = Quaternion.Euler(0, 30 * i, 0) * new Vector3(6, 1, 0);
                pillar.localScale = new Vector3(0.6f, 1, 0.6f);
            }
            eye = Camera.main.transform;
            eye.gameObject.SetActive(false); // the ring's name and shader are wanted when it wakes up
            RealMasterCapture capture = eye.gameObject.AddComponent<RealMasterCapture>();
            capture.ringName = "courtyard";
            capture.buffers = buffers;
            eye.gameObject.SetActive(true);
        }

        private void Update()
        {
            eye.position = Quaternion.Euler(0, 12 * Time.time, 0) * new Vector3(0, 3, -11);
            eye.LookAt(Vector3.up);
        }
    }
}
